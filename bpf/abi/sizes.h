/*
 * sizes.h - sizes of maps, rings and depths. All of them are limits with a name.
 */
#pragma once

enum {
	VLAN_DEPTH_MAX = 2,
	IPV6_EXT_DEPTH_MAX = 6, /* extension headers walked before a packet counts as odd */
	VIPS_MAX = 4096,        /* of a half of shunt_vips: address x port x protocol */
	ADDRS_MAX = 8192,       /* of a half of shunt_addrs: what packets may be for */
	/* Entries of a half, a power of two and so many that PROBES_MAX suffice. */
	VIP_TABLE = 4 * VIPS_MAX,
	ADDR_TABLE = 4 * ADDRS_MAX,
	PROBES_MAX = 8,
	RINGS_MAX = 1024,           /* L4 listeners */
	RING_SLOTS_DEFAULT = 16381, /* prime */
	RING_SLOTS_MAX = 65537,
	RING_LINE = 32,           /* slots */
	RING_LINES_MAX = 1 << 17, /* of all rings */
	ENDPOINTS_MAX = 20480,    /* of a snapshot, and those of rings that were */
	QUIC_IDS_MAX = 16384,     /* of all listeners: server id to endpoint */
	NEXT_HOPS_MAX = 4096,
	SPLICES_MAX = 65536,        /* spliced connections; two flow keys each */
	FLOW_BUCKETS = SPLICES_MAX, /* of four entries; a power of two */
	NAT_SOURCES_MAX = 16,       /* addresses that forward: nat sends from */
	FRAGMENTS_MAX = 65536,      /* first fragments remembered; a power of two */
	VTEPS_MAX = 4096,           /* remote vtep and VNI from which we accept VXLAN */
	WORKERS_MAX = 64,
	STEERED_MAX = 1024, /* L7 listeners; x WORKERS_MAX sockets */
	EVENTS_BYTES = 1 << 20,
	GUARDS_MAX = 1024,      /* of a half of shunt_guards; the first is not used */
	GUARD_NETS_MAX = 20480, /* of a half; two more than configured for each guard */
	GUARD_LINES = 1 << 15,  /* of GUARD_WAYS sources: 2 MB; a power of two */
};
