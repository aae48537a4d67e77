/*
 * check_judge.h - from what a device is to what is wrong with it, and the command that mends it.
 * Pure.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { FINDINGS_MAX = 24, FINDING_TEXT_MAX = 256 };

enum check_severity { CHECK_ADVICE, CHECK_BREAKS };

struct check_finding {
	enum check_severity severity;
	char what[FINDING_TEXT_MAX];
	char mend[FINDING_TEXT_MAX]; /* a command, or "" */
};

struct check_findings {
	struct check_finding list[FINDINGS_MAX];
	uint32_t count;
};

/* Unknown numbers are 0: what a driver does not say is not judged. */
struct device_facts {
	const char *name;
	char kind[16]; /* "veth", "bond", "vlan", ...; "" for hardware */
	char parent[32], master[32], master_kind[16];
	char gateway[64];
	bool ethernet, up, promiscuous;
	bool lro, gro_hw, tx_checksum, rx_vlan_offload;
	bool gro;
	bool has_vlans; /* VLAN devices lie on top */
	bool gateway_known, gateway_resolved;
	uint32_t mtu, tunnel_bytes; /* of a wrapping; 0: no tunnel */
	uint32_t rp_filter;
	uint32_t bond_mode;
	uint32_t cpus;
	uint32_t queues, queues_max; /* that receive */
	bool queues_apart;           /* receiving and sending ones are set apart */
	uint32_t rss_queues;         /* to which the indirection table leads */
	bool udp_ports_known, udp_ports_hashed;
	bool features_known; /* of XDP, below */
	bool native, redirect_target;
	bool attached, attached_native;
};

void check_judge(const struct device_facts *facts, struct check_findings *out_findings);
bool check_breaks(const struct check_findings *findings);
