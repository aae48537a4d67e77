/*
 * ethtool.h - what a driver says of itself, by the ioctl that every kernel has.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct ethtool {
	int fd;
	const char *device;
};

bool ethtool_open(struct ethtool *out_ethtool, const char *device); /* device is borrowed */
void ethtool_close(struct ethtool *ethtool);

/* Whether a feature such as "rx-lro" is on; a name with * at its end: any that begins so. */
bool ethtool_feature(const struct ethtool *ethtool, const char *name);
/* Queues that receive now and at most; 0: not said. apart: those that send are set on their own. */
void ethtool_queues(const struct ethtool *ethtool, uint32_t *out_now, uint32_t *out_max,
		    bool *out_apart);
/* Different queues in the indirection table; 0: not said. */
uint32_t ethtool_rss_queues(const struct ethtool *ethtool);
/* Whether UDP's ports are in RSS's hash; false: not said. */
bool ethtool_udp_hash(const struct ethtool *ethtool, bool *out_ports);
