/*
 * sizes.h - sizes of maps, rings and depths. All of them are limits with a name.
 */
#pragma once

enum {
	VLAN_DEPTH_MAX = 2,
	IPV6_EXT_DEPTH_MAX = 6,     /* extension headers walked before a packet counts as odd */
	VIPS_MAX = 4096,            /* vip_key entries: address x port x protocol */
	RINGS_MAX = 1024,           /* L4 listeners */
	RING_SLOTS_DEFAULT = 16381, /* prime; a ring's length is its map's max_entries */
	ENDPOINTS_MAX = 16384,
	NEXT_HOPS_MAX = 4096,
	STICKY_MAX = 262144, /* L4 connections remembered; LRU */
	SPLICES_MAX = 65536, /* spliced connections; two flow keys each */
	FLOWS_MAX = 2 * SPLICES_MAX,
	FRAGMENTS_MAX = 65536, /* first fragments remembered; a power of two */
	VTEPS_MAX = 4096,      /* remote vtep and VNI from which we accept VXLAN */
	WORKERS_MAX = 64,
	STEERED_MAX = 1024, /* L7 listeners; x WORKERS_MAX sockets */
	EVENTS_BYTES = 1 << 20,
};
