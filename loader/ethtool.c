#include "loader/ethtool.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "userspace/base/must.h"

enum { FEATURES_LIMIT = 256, INDIRECTION_MAX = 4096, QUEUES_LIMIT = 1024 };

bool ethtool_open(struct ethtool *out_ethtool, const char *device)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*out_ethtool = (struct ethtool){ .fd = fd, .device = device };
	return fd >= 0;
}

void ethtool_close(struct ethtool *e)
{
	close(e->fd);
}

static bool ask(const struct ethtool *e, void *question)
{
	struct ifreq ifr = { .ifr_data = question };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", e->device);
	return ioctl(e->fd, SIOCETHTOOL, &ifr) == 0;
}

/* How many features this kernel knows; 0: it does not say. */
static uint32_t feature_count(const struct ethtool *e)
{
	struct ethtool_sset_info *q = must_alloc(sizeof(*q) + sizeof(q->data[0]));
	uint32_t count;

	q->cmd = ETHTOOL_GSSET_INFO;
	q->sset_mask = 1ull << ETH_SS_FEATURES;
	count = ask(e, q) && q->sset_mask ? q->data[0] : 0;
	free(q);
	return count;
}

static bool fits(const char *got, const char *name)
{
	size_t len = strlen(name);

	return name[len - 1] == '*' ? strncmp(got, name, len - 1) == 0
				    : strncmp(got, name, ETH_GSTRING_LEN) == 0;
}

bool ethtool_feature(const struct ethtool *e, const char *name)
{
	uint32_t count = feature_count(e), words = (count + 31) / 32;
	struct ethtool_gstrings *names;
	struct ethtool_gfeatures *on;
	bool found = false;

	if (!count || count > FEATURES_LIMIT)
		return false;
	names = must_alloc(sizeof(*names) + (size_t)count * ETH_GSTRING_LEN);
	on = must_alloc(sizeof(*on) + words * sizeof(on->features[0]));
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = count;
	on->cmd = ETHTOOL_GFEATURES;
	on->size = words;
	if (ask(e, names) && ask(e, on))
		for (uint32_t i = 0; i < count && !found; i++)
			found = fits((const char *)names->data + (size_t)i * ETH_GSTRING_LEN,
				     name) &&
				on->features[i / 32].active >> (i % 32) & 1;
	free(names);
	free(on);
	return found;
}

void ethtool_queues(const struct ethtool *e, uint32_t *out_now, uint32_t *out_max, bool *out_apart)
{
	struct ethtool_channels q = { .cmd = ETHTOOL_GCHANNELS };

	*out_now = *out_max = 0;
	*out_apart = false;
	if (!ask(e, &q))
		return;
	*out_now = q.combined_count + q.rx_count;
	*out_max = q.max_combined ? q.max_combined : q.max_rx;
	*out_apart = q.max_combined == 0;
}

uint32_t ethtool_rss_queues(const struct ethtool *e)
{
	struct ethtool_rxfh_indir size = { .cmd = ETHTOOL_GRXFHINDIR }, *table;
	bool seen[QUEUES_LIMIT] = { false };
	uint32_t queues = 0;

	if (!ask(e, &size) || size.size == 0 || size.size > INDIRECTION_MAX)
		return 0;
	table = must_alloc(sizeof(*table) + size.size * sizeof(table->ring_index[0]));
	table->cmd = ETHTOOL_GRXFHINDIR;
	table->size = size.size;
	if (ask(e, table))
		for (uint32_t i = 0; i < size.size; i++) {
			uint32_t queue = table->ring_index[i];

			if (queue < QUEUES_LIMIT && !seen[queue])
				queues++;
			if (queue < QUEUES_LIMIT)
				seen[queue] = true;
		}
	free(table);
	return queues;
}

bool ethtool_udp_hash(const struct ethtool *e, bool *out_ports)
{
	struct ethtool_rxnfc q = { .cmd = ETHTOOL_GRXFH, .flow_type = UDP_V4_FLOW };

	if (!ask(e, &q))
		return false;
	*out_ports = (q.data & (RXH_L4_B_0_1 | RXH_L4_B_2_3)) == (RXH_L4_B_0_1 | RXH_L4_B_2_3);
	return true;
}
