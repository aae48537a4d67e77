#include "userspace/base/network.h"

#include <arpa/inet.h>
#include <stdio.h>

enum { BITS_V4 = 96 /* in front of a mapped address */ };

/* The part of word i (of 4) that a prefix of so many bits covers. */
static __be32 mask_word(uint32_t bits, uint32_t i)
{
	if (bits >= 32 * (i + 1))
		return 0xffffffff;
	if (bits <= 32 * i)
		return 0;
	return htonl(0xffffffffu << (32 * (i + 1) - bits));
}

static bool bits_parse(struct span text, uint32_t most, uint32_t *out_bits)
{
	uint32_t n = 0;

	if (text.len == 0 || text.len > 3 || (text.len > 1 && text.at[0] == '0'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		n = n * 10 + (uint32_t)(text.at[i] - '0');
	}
	*out_bits = n;
	return n <= most;
}

/* The network that a is in; whether a is its first address. */
static bool cut(const struct addr *a, uint32_t bits, struct network *out_network)
{
	bool exact = true;

	for (uint32_t i = 0; i < 4; i++) {
		out_network->ip[i] = a->ip[i] & mask_word(bits, i);
		exact = exact && out_network->ip[i] == a->ip[i];
	}
	out_network->bits = (uint8_t)bits;
	return exact;
}

bool network_parse(struct span text, struct network *out_network, struct err *err)
{
	const char *slash = text.len > 0 ? memchr(text.at, '/', text.len) : NULL;
	struct span ip = slash ? span_make(text.at, (size_t)(slash - text.at)) : text;
	bool v6 = ip.len > 0 && memchr(ip.at, ':', ip.len);
	uint32_t most = v6 ? 128 : 32, bits = most;
	struct network got = { 0 };
	struct addr a;

	if (!addr_parse_ip(ip, &a))
		return err_set(err,
			       "expected a network such as 10.0.0.0/8 or 2001:db8::/32, found "
			       "\"%.*s\"",
			       SPAN_ARG(text));
	if (slash && !bits_parse(span_after(text, ip.len + 1), most, &bits))
		return err_set(err, "expected a length of 0 to %u after the slash, found \"%.*s\"",
			       most, SPAN_ARG(text));
	if (!cut(&a, v6 ? bits : bits + BITS_V4, &got))
		return err_set(err,
			       "\"%.*s\" has bits beyond its length; the network that it is in is "
			       "%s",
			       SPAN_ARG(text), network_print(&got).text);
	*out_network = got;
	return true;
}

bool network_has(const struct network *n, const struct addr *a)
{
	if (n->bits < BITS_V4 && addr_is_v4(a))
		return false;
	for (uint32_t i = 0; i < 4; i++) {
		if ((a->ip[i] & mask_word(n->bits, i)) != n->ip[i])
			return false;
	}
	return true;
}

bool network_list_has(const struct network_list *list, const struct addr *a)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (network_has(&list->networks[i], a))
			return true;
	}
	return false;
}

struct network_text network_print(const struct network *n)
{
	struct addr a = { 0 };
	struct network_text out;
	bool v4;

	memcpy(a.ip, n->ip, sizeof(a.ip));
	v4 = n->bits >= BITS_V4 && addr_is_v4(&a);
	snprintf(out.text, sizeof(out.text), "%s/%u", addr_print(&a).text,
		 v4 ? n->bits - BITS_V4 : n->bits);
	return out;
}
