/*
 * addr.h - IP addresses with ports.
 *
 * Network byte order throughout. IPv4 is kept as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so that one
 * type serves both families, here and in the BPF maps.
 */
#pragma once
#include <linux/types.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "userspace/base/span.h"

struct addr {
	__be32 ip[4];
	__be16 port;
	__u16 zero; /* compared and hashed with the rest */
};

enum { ADDR_TEXT_MAX = 64 };

struct addr_text {
	char text[ADDR_TEXT_MAX];
};

bool addr_is_v4(const struct addr *a);
bool addr_is(const struct addr *a, const struct addr *b); /* address and port */
bool addr_is_ip(const struct addr *a, const struct addr *b);

/* "192.0.2.1" or "2001:db8::1"; port becomes 0. False leaves *out_addr alone. */
bool addr_parse_ip(struct span text, struct addr *out_addr);
/* "192.0.2.1:80" or "[2001:db8::1]:80"; the port is required, 1 to 65535. */
bool addr_parse(struct span text, struct addr *out_addr);

/* A sockaddr of the family that fits; returns its length. */
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *out_ss);
/* False for other families than AF_INET and AF_INET6. */
bool addr_from_sockaddr(const struct sockaddr *sa, struct addr *out_addr);

/* Without a port where it is 0; IPv6 with a port in brackets (RFC 5952). */
struct addr_text addr_print(const struct addr *a);
