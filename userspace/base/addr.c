#include "userspace/base/addr.h"

#include <arpa/inet.h>
#include <string.h>

bool addr_is_v4(const struct addr *a)
{
	return a->ip[0] == 0 && a->ip[1] == 0 && a->ip[2] == htonl(0xffff);
}

bool addr_is_ip(const struct addr *a, const struct addr *b)
{
	return memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

bool addr_is(const struct addr *a, const struct addr *b)
{
	return addr_is_ip(a, b) && a->port == b->port;
}

static void from_v4(__be32 ip, struct addr *out_addr)
{
	*out_addr = (struct addr){ .ip = { 0, 0, htonl(0xffff), ip } };
}

bool addr_parse_ip(struct span text, struct addr *out_addr)
{
	char copy[INET6_ADDRSTRLEN + 1];
	struct in6_addr v6;
	struct in_addr v4;

	if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.at, 0, text.len))
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = 0;
	if (inet_pton(AF_INET, copy, &v4) == 1) {
		from_v4(v4.s_addr, out_addr);
		return true;
	}
	if (inet_pton(AF_INET6, copy, &v6) != 1)
		return false;
	*out_addr = (struct addr){ 0 };
	memcpy(out_addr->ip, &v6, sizeof(v6));
	return true;
}

static bool port_parse(struct span text, __be16 *out_port)
{
	uint32_t n = 0;

	if (text.len == 0 || text.len > 5)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		n = n * 10 + (uint32_t)(text.at[i] - '0');
	}
	if (n == 0 || n > 65535)
		return false;
	*out_port = htons((uint16_t)n);
	return true;
}

bool addr_parse(struct span text, struct addr *out_addr)
{
	struct span ip = text, port;
	struct addr got;
	size_t colon = text.len;

	while (colon > 0 && text.at[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return false;
	port = span_after(text, colon);
	ip.len = colon - 1;
	if (ip.len >= 2 && ip.at[0] == '[' && ip.at[ip.len - 1] == ']')
		ip = span_make(ip.at + 1, ip.len - 2);
	else if (memchr(ip.at, ':', ip.len))
		return false; /* IPv6 needs brackets, else the port is a guess */
	if (!addr_parse_ip(ip, &got) || !port_parse(port, &got.port))
		return false;
	*out_addr = got;
	return true;
}

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *out_ss)
{
	struct sockaddr_in *v4 = (void *)out_ss;
	struct sockaddr_in6 *v6 = (void *)out_ss;

	memset(out_ss, 0, sizeof(*out_ss));
	if (addr_is_v4(a)) {
		v4->sin_family = AF_INET;
		v4->sin_port = a->port;
		v4->sin_addr.s_addr = a->ip[3];
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = a->port;
	memcpy(&v6->sin6_addr, a->ip, sizeof(a->ip));
	return sizeof(*v6);
}

bool addr_from_sockaddr(const struct sockaddr *sa, struct addr *out_addr)
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;

	if (sa->sa_family == AF_INET) {
		from_v4(v4->sin_addr.s_addr, out_addr);
		out_addr->port = v4->sin_port;
		return true;
	}
	if (sa->sa_family != AF_INET6)
		return false;
	*out_addr = (struct addr){ .port = v6->sin6_port };
	memcpy(out_addr->ip, &v6->sin6_addr, sizeof(out_addr->ip));
	return true;
}

static char *put_number(char *at, unsigned n)
{
	char digits[8];
	int count = 0;

	do
		digits[count++] = (char)('0' + n % 10);
	while (n /= 10);
	while (count > 0)
		*at++ = digits[--count];
	return at;
}

/* Once a request, so without printf. */
struct addr_text addr_print(const struct addr *a)
{
	const uint8_t *v4 = (const uint8_t *)&a->ip[3];
	struct addr_text out;
	char *at = out.text;

	if (addr_is_v4(a)) {
		for (int i = 0; i < 4; i++) {
			at = put_number(at, v4[i]);
			*at++ = '.';
		}
		at--;
	} else {
		if (a->port)
			*at++ = '[';
		inet_ntop(AF_INET6, a->ip, at, INET6_ADDRSTRLEN);
		at += strlen(at);
		if (a->port)
			*at++ = ']';
	}
	if (a->port) {
		*at++ = ':';
		at = put_number(at, ntohs(a->port));
	}
	*at = 0;
	return out;
}
