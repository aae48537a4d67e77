/*
 * network.h - networks of IP addresses, and whether an address is in one.
 *
 * Knows CIDR notation (RFC 4632, 3.1; RFC 4291, 2.3). Does not know what somebody is trusted with.
 */
#pragma once
#include "userspace/base/addr.h"
#include "userspace/base/err.h"

/* Network byte order, IPv4 mapped as in struct addr; all bits after the prefix are 0. */
struct network {
	__be32 ip[4];
	uint8_t bits; /* of the 128: 10.0.0.0/8 has 104 */
};

/* Borrows its networks. Zero is the list that has no address. */
struct network_list {
	const struct network *networks;
	uint32_t count;
};

enum { NETWORK_TEXT_MAX = ADDR_TEXT_MAX + 4 };

struct network_text {
	char text[NETWORK_TEXT_MAX];
};

/*
 * "10.0.0.0/8", "2001:db8::/32"; a bare address is a network of its own. Bits beyond the prefix
 * are refused, as one of the two numbers is then a mistake. False leaves *out_network alone.
 */
bool network_parse(struct span text, struct network *out_network, struct err *err);

/* A network of IPv6, ::/0 too, has no IPv4 address; a port does not matter. */
bool network_has(const struct network *n, const struct addr *a);
bool network_list_has(const struct network_list *list, const struct addr *a);

/* As it would be written, always with its length. */
struct network_text network_print(const struct network *n);
