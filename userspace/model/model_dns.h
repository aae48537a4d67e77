/*
 * model_dns.h - names of endpoints, and how they are looked up, as meant (a part of model.h).
 */
#pragma once
#include <stdint.h>

#include "userspace/base/addr.h"
#include "userspace/base/network.h"
#include "userspace/model/resolution.h"

enum { DNS_SERVERS_MAX = 4, DNS_NETWORKS_MAX = 16, DNS_NAMES_MAX = 256, DNS_NAME_MAX = 253 };

/* Of a name's addresses; auto: those of IPv4, or of IPv6 where there are none. */
enum dns_family { DNS_AUTO, DNS_IPV4, DNS_IPV6, DNS_BOTH };

/* How names of endpoints are looked up. */
struct dns {
	struct addr servers[DNS_SERVERS_MAX];
	uint32_t server_count; /* 0: those of the machine (resolv.conf) */
	enum dns_family family;
	uint32_t timeout_ms;                    /* of one try */
	uint32_t ttl_least_ms, ttl_most_ms;     /* bounds of what answers say */
	struct network allow[DNS_NETWORKS_MAX]; /* where endpoints may be */
	uint32_t allow_count;                   /* 0: anywhere */
	uint32_t hold_ms; /* for which healthy addresses stay that an answer lacks */
};

struct model_name {
	const char *text; /* lower case */
	enum name_kind kind;
};
