#include "tests/harness/model.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <string.h>

#include "tests/harness/l4_maps.h"

enum { TUNNEL_MTU = 1450, FIRSTS_MAX = 1 << 20, ECHO_4 = 8, ECHO_6 = 128 };

/* All offsets are from the frame's start. */
struct seen {
	bool v6, fragment, later, borrowed, error, odd;
	enum counter why;
	size_t ip, l4, total; /* total: of IP's own length */
	uint8_t src[16], dst[16], proto, tcp_flags;
	uint16_t sport, dport;
	uint32_t id;
};

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static uint16_t be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t add(const uint8_t *at, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)at[i] << 8 | (i + 1 < len ? at[i + 1] : 0);
	return sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* RFC 1624, equation 3, on one aligned word. */
static void changed(uint8_t *check, uint16_t old, uint16_t new)
{
	uint32_t sum = (uint16_t)~be16(check) + (uint32_t)(uint16_t)~old + new;

	put16(check, (uint16_t)~folded(sum));
}

static void odd(struct seen *s, enum counter why)
{
	if (!s->odd)
		s->why = why;
	s->odd = true;
}

static bool is_ext(uint8_t next)
{
	return next == 0 || next == 43 || next == 44 || next == 51 || next == 60;
}

/* What the headers from `at` on lead to; SHORT, BAD_HEADER, or COUNTERS where they are well. */
static enum counter walk(const uint8_t *f, size_t len, size_t *at, uint8_t *next, struct seen *s)
{
	for (int i = 0; i < 6 && is_ext(*next) && !s->later; i++) {
		uint8_t kind = *next;

		if (*at + 8 > len)
			return COUNT_SHORT;
		*next = f[*at];
		if (kind == 44) {
			uint16_t field = be16(f + *at + 2);

			s->fragment |= (field & 0xfff9) != 0;
			s->later |= (field & 0xfff8) != 0;
			memcpy(&s->id, f + *at + 4, 4);
			*at += 8;
		} else {
			*at += kind == 51 ? (f[*at + 1] + 2u) * 4 : (f[*at + 1] + 1u) * 8;
		}
	}
	if (*at > 4095)
		return COUNT_SHORT;
	return is_ext(*next) && !s->later ? COUNT_BAD_HEADER : COUNTERS;
}

static void read_v4(const uint8_t *f, size_t len, struct seen *s)
{
	const uint8_t *ip = f + s->ip;
	size_t head = (ip[0] & 15) * 4u;
	uint16_t field = be16(ip + 6);

	memcpy(s->src, mapped, 12);
	memcpy(s->dst, mapped, 12);
	memcpy(s->src + 12, ip + 12, 4);
	memcpy(s->dst + 12, ip + 16, 4);
	s->proto = ip[9];
	s->total = be16(ip + 2);
	s->l4 = s->ip + head;
	if (ip[0] >> 4 != 4 || head < 20) {
		odd(s, COUNT_BAD_HEADER);
		return;
	}
	if (s->total < head || s->ip + s->total > len)
		odd(s, COUNT_BAD_LENGTH);
	s->fragment = field & 0x3fff;
	s->later = field & 0x1fff;
	s->id = be16(ip + 4);
	if (s->l4 > len)
		odd(s, COUNT_SHORT);
	else if (folded(add(ip, head, 0)) != 0xffff)
		odd(s, COUNT_BAD_CHECKSUM);
}

static void read_v6(const uint8_t *f, size_t len, struct seen *s)
{
	const uint8_t *ip = f + s->ip;
	enum counter how;

	memcpy(s->src, ip + 8, 16);
	memcpy(s->dst, ip + 24, 16);
	s->proto = ip[6];
	s->total = 40u + be16(ip + 4);
	if (s->total > 0xffff)
		s->total = 0xffff;
	s->l4 = s->ip + 40;
	if (ip[0] >> 4 != 6)
		odd(s, COUNT_BAD_HEADER);
	else if (s->ip + s->total > len)
		odd(s, COUNT_BAD_LENGTH);
	how = walk(f, len, &s->l4, &s->proto, s);
	if (how != COUNTERS)
		odd(s, how);
	else if (s->l4 - s->ip > s->total)
		odd(s, COUNT_BAD_LENGTH);
}

static void read_ports(const uint8_t *f, size_t len, struct seen *s)
{
	const uint8_t *l4 = f + s->l4;
	size_t off = s->l4 - s->ip;

	if (s->odd || s->later || (s->proto != 6 && s->proto != 17))
		return;
	if (s->l4 + (s->proto == 6 ? 20u : 8u) > len) {
		odd(s, COUNT_SHORT);
		return;
	}
	s->sport = be16(l4);
	s->dport = be16(l4 + 2);
	if (s->proto == 17) {
		if (be16(l4 + 4) < 8 || (!s->fragment && off + be16(l4 + 4) > s->total))
			odd(s, COUNT_BAD_LENGTH);
		return;
	}
	s->tcp_flags = l4[13];
	if (l4[12] >> 4 < 5 || off + (l4[12] >> 4) * 4u > s->total)
		odd(s, COUNT_BAD_LENGTH);
	if ((s->tcp_flags & 2 && s->tcp_flags & 5) || !(s->tcp_flags & 63))
		odd(s, COUNT_BAD_FLAGS);
}

/* COUNTERS where the source is one that may be. */
static enum counter bad_source(const struct seen *s)
{
	static const uint8_t none[15];

	if (memcmp(s->src, s->dst, 16) == 0)
		return COUNT_LAND;
	if (s->v6)
		return s->src[0] == 0xff || (!memcmp(s->src, none, 15) && s->src[15] < 2)
			       ? COUNT_MARTIAN
			       : COUNTERS;
	return s->src[12] == 127 || s->src[12] == 0 || s->src[12] >= 224 ? COUNT_MARTIAN : COUNTERS;
}

static bool is_vip(const uint8_t dst[16])
{
	__be32 v4[4], v6[4];

	l4_ip(v4, L4_VIP);
	l4_ip(v6, L4_VIP6);
	return memcmp(dst, v4, 16) == 0 || memcmp(dst, v6, 16) == 0;
}

static bool is_listener(const struct seen *s)
{
	return is_vip(s->dst) &&
	       ((s->proto == 6 && s->dport == L4_PORT) || (s->proto == 17 && s->dport == 53));
}

/* First fragments that went to a listener; the newest of a key has it. */
static struct first {
	uint8_t src[16], dst[16], proto;
	uint32_t id;
	uint16_t sport, dport;
} firsts[FIRSTS_MAX];
static size_t first_count;

static struct first *first_of(const struct seen *s)
{
	for (size_t i = 0; i < first_count; i++)
		if (firsts[i].proto == s->proto && firsts[i].id == s->id &&
		    !memcmp(firsts[i].src, s->src, 16) && !memcmp(firsts[i].dst, s->dst, 16))
			return &firsts[i];
	return NULL;
}

static void remember(const struct seen *s)
{
	struct first *first = first_of(s);

	if (!first && first_count < FIRSTS_MAX)
		first = &firsts[first_count++];
	if (!first)
		return;
	memcpy(first->src, s->src, 16);
	memcpy(first->dst, s->dst, 16);
	first->proto = s->proto;
	first->id = s->id;
	first->sport = s->sport;
	first->dport = s->dport;
}

/* The flow of the packet that an ICMP error quotes, turned round. */
static void follow_quote(const uint8_t *f, size_t len, struct seen *s)
{
	const uint8_t *icmp = f + s->l4, *ip = icmp + 8;
	struct seen q = { .v6 = s->v6 };
	uint8_t type;

	if (s->proto != (s->v6 ? 58 : 1) || s->fragment || bad_source(s) != COUNTERS ||
	    s->l4 + 8 > len)
		return;
	type = icmp[0];
	if (s->v6 ? type < 1 || type > 4 : type != 3 && type != 11 && type != 12)
		return;
	q.ip = s->l4 + 8;
	if (q.ip + (s->v6 ? 40u : 20u) > len || ip[0] >> 4 != (s->v6 ? 6 : 4))
		return;
	if (s->v6) {
		memcpy(q.src, ip + 8, 16);
		memcpy(q.dst, ip + 24, 16);
		q.proto = ip[6];
		q.l4 = q.ip + 40;
		if (walk(f, len, &q.l4, &q.proto, &q) != COUNTERS || q.later)
			return;
	} else {
		memcpy(q.src, mapped, 12);
		memcpy(q.dst, mapped, 12);
		memcpy(q.src + 12, ip + 12, 4);
		memcpy(q.dst + 12, ip + 16, 4);
		q.proto = ip[9];
		q.l4 = q.ip + (ip[0] & 15) * 4u;
		if ((ip[0] & 15) < 5 || be16(ip + 6) & 0x1fff)
			return;
	}
	if ((q.proto != 6 && q.proto != 17) || q.l4 + 8 > len || q.l4 + 8 > s->ip + s->total ||
	    memcmp(q.src, s->dst, 16) != 0)
		return;
	memcpy(s->src, q.dst, 16);
	s->proto = q.proto;
	s->sport = be16(f + q.l4 + 2);
	s->dport = be16(f + q.l4);
	s->borrowed = s->error = true;
}

static struct model_outcome ends(const uint8_t *f, size_t len, int fate, enum counter why)
{
	struct model_outcome out = { .fate = fate, .why = why, .len = len };

	memcpy(out.bytes, f, len);
	return out;
}

static void turn_macs(uint8_t *f)
{
	uint8_t mac[6];

	memcpy(mac, f, 6);
	memcpy(f, f + 6, 6);
	memcpy(f + 6, mac, 6);
}

static struct model_outcome echoed(const uint8_t *f, size_t len, const struct seen *s)
{
	struct model_outcome out = ends(f, len, XDP_TX, COUNT_PING_ANSWERED);
	uint8_t *ip = out.bytes + s->ip, *icmp = out.bytes + s->l4, old = icmp[0];

	turn_macs(out.bytes);
	if (s->v6) {
		memcpy(ip + 8, s->dst, 16);
		memcpy(ip + 24, s->src, 16);
		ip[7] = 64;
		icmp[0] = 129;
	} else {
		memcpy(ip + 12, s->dst + 12, 4);
		memcpy(ip + 16, s->src + 12, 4);
		ip[8] = 64;
		put16(ip + 10, 0);
		put16(ip + 10, (uint16_t)~folded(add(ip, 20, 0)));
		icmp[0] = 0;
	}
	changed(icmp + 2, (uint16_t)(old << 8), (uint16_t)(icmp[0] << 8));
	return out;
}

/* To a vip's address, but to no listener. */
static struct model_outcome stray(const uint8_t *f, size_t len, const struct seen *s)
{
	enum counter bad = bad_source(s);

	if (bad != COUNTERS)
		return ends(f, len, XDP_DROP, bad);
	if (s->later)
		return ends(f, len, XDP_DROP, COUNT_FRAGMENT_LOST);
	if (s->proto == (s->v6 ? 58 : 1) && !s->fragment && s->l4 == s->ip + (s->v6 ? 40 : 20) &&
	    s->l4 + 8 <= len && f[s->l4] == (s->v6 ? ECHO_6 : ECHO_4) && f[s->l4 + 1] == 0)
		return echoed(f, len, s);
	return ends(f, len, XDP_PASS, COUNT_ODD_TO_STACK);
}

/* What would fit; mtu 0: its time is exceeded. */
static struct model_outcome told(const uint8_t *f, const struct seen *s, uint32_t mtu)
{
	size_t quote = s->v6 ? 1232 : 548, head = s->v6 ? 40 : 20;
	struct model_outcome out =
		ends(f, s->ip, XDP_TX, mtu ? COUNT_TOO_BIG_TOLD : COUNT_TTL_TOLD);
	uint8_t *ip = out.bytes + s->ip, *icmp = ip + head;

	if (quote > s->total)
		quote = s->total & ~3u;
	turn_macs(out.bytes);
	memset(ip, 0, head + 8);
	memcpy(icmp + 8, f + s->ip, quote);
	put16(icmp + 6, mtu);
	out.len = s->ip + head + 8 + quote;
	if (s->v6) {
		ip[0] = 0x60;
		put16(ip + 4, (uint32_t)(quote + 8));
		ip[6] = 58;
		ip[7] = 64;
		memcpy(ip + 8, s->dst, 16);
		memcpy(ip + 24, s->src, 16);
		icmp[0] = mtu ? 2 : 3;
		put16(icmp + 2, (uint16_t)~folded(add(icmp, quote + 8,
						      add(ip + 8, 32, (uint32_t)quote + 8 + 58))));
		return out;
	}
	ip[0] = 0x45;
	put16(ip + 2, (uint32_t)(28 + quote));
	ip[8] = 64;
	ip[9] = 1;
	memcpy(ip + 12, s->dst + 12, 4);
	memcpy(ip + 16, s->src + 12, 4);
	put16(ip + 10, (uint16_t)~folded(add(ip, 20, 0)));
	icmp[0] = mtu ? 3 : 11;
	icmp[1] = mtu ? 4 : 0;
	put16(icmp + 2, (uint16_t)~folded(add(icmp, quote + 8, 0)));
	return out;
}

static void clamp(uint8_t *tcp, size_t have, uint16_t most)
{
	size_t end = (tcp[12] >> 4) * 4u;

	for (size_t at = 20; at < end && at + 2 <= have && tcp[at] != 0;) {
		uint8_t before[60];
		size_t n = tcp[at] == 1 ? 1 : tcp[at + 1];

		if (tcp[at] != 1 && (n < 2 || at + n > end))
			return;
		if (tcp[at] != 2) {
			at += n;
			continue;
		}
		if (n != 4 || at + 4 > have || be16(tcp + at + 2) <= most)
			return;
		memcpy(before, tcp, sizeof(before) < have ? sizeof(before) : have);
		put16(tcp + at + 2, most);
		for (size_t w = (at + 2) & ~1u; w < at + 4; w += 2)
			if (be16(before + w) != be16(tcp + w))
				changed(tcp + 16, be16(before + w), be16(tcp + w));
		return;
	}
}

static struct model_outcome wrapped(const uint8_t *f, size_t len, const struct seen *s)
{
	static const uint8_t head[] = { 2,  0,  0,    0,    0,    9,    2, 0,  0,   0,    0,
					8,  8,  0,    0x45, 0,    0,    0, 0,  0,   0x40, 0,
					64, 17, 0,    0,    192,  0,    2, 10, 192, 0,    3,
					21, 0,  0,    0x12, 0xb5, 0,    0, 0,  0,   8,    0,
					0,  0,  0,    0x13, 0x89, 0,    2, 0,  0,   0,    0,
					4,  2,  0x73, 0x68, 0x75, 0x6e, 0 };
	struct model_outcome out =
		ends(f, len, XDP_TX, s->error ? COUNT_ERROR_FOLLOWED : COUNT_FORWARDED);
	uint8_t *ip = out.bytes + sizeof(head) + 2;

	memcpy(out.bytes, head, sizeof(head));
	put16(out.bytes + sizeof(head), s->v6 ? 0x86dd : 0x0800);
	memcpy(ip, f + s->ip, len - s->ip);
	out.len = sizeof(head) + 2 + s->total;
	put16(out.bytes + 16, (uint32_t)s->total + 50);
	put16(out.bytes + 38, (uint32_t)s->total + 30);
	put16(out.bytes + 24, (uint16_t)~folded(add(out.bytes + 14, 20, 0)));
	out.source_port_at = 34;
	if (!s->borrowed && s->proto == 6 && (s->tcp_flags & 0x12) == 2)
		clamp(ip + (s->l4 - s->ip), len - s->l4, s->v6 ? 1390 : 1410);
	if (s->v6) {
		ip[7]--;
		return out;
	}
	ip[8]--;
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~folded(add(ip, s->error ? (ip[0] & 15) * 4u : s->l4 - s->ip, 0)));
	return out;
}

static struct model_outcome forwarded(const uint8_t *f, size_t len, const struct seen *s)
{
	if (s->fragment && !s->borrowed)
		remember(s);
	if (f[s->ip + (s->v6 ? 7 : 8)] <= 1)
		return s->borrowed ? ends(f, len, XDP_DROP, COUNT_TTL_EXPIRED) : told(f, s, 0);
	if (s->total > TUNNEL_MTU)
		return s->borrowed ? ends(f, len, XDP_DROP, COUNT_TOO_BIG) : told(f, s, TUNNEL_MTU);
	return wrapped(f, len, s);
}

void model_begin(void)
{
	first_count = 0;
}

struct model_outcome model_ingress(const uint8_t *f, size_t len)
{
	struct seen s = { 0 };
	struct model_outcome out;
	const struct first *first;
	size_t at = 12;
	uint16_t type = be16(f + at);

	for (int i = 0; i < 2 && (type == 0x8100 || type == 0x88a8); i++) {
		at += 4;
		if (at + 2 > len)
			return ends(f, len, XDP_PASS, COUNT_NOT_IP);
		type = be16(f + at);
	}
	s.ip = at + 2;
	s.v6 = type == 0x86dd;
	if ((!s.v6 && type != 0x0800) || s.ip + (s.v6 ? 40u : 20u) > len)
		return ends(f, len, XDP_PASS, COUNT_NOT_IP);
	s.v6 ? read_v6(f, len, &s) : read_v4(f, len, &s);
	read_ports(f, len, &s);
	if (!is_vip(s.dst))
		return ends(f, len, XDP_PASS, COUNT_NOT_OURS);
	if (s.odd)
		return ends(f, len, XDP_DROP, s.why);
	first = s.later ? first_of(&s) : NULL;
	if (first) {
		s.sport = first->sport;
		s.dport = first->dport;
		s.later = false;
		s.borrowed = true;
	} else if (!s.later) {
		follow_quote(f, len, &s);
	}
	if (!is_listener(&s) || s.later)
		return stray(f, len, &s);
	if (bad_source(&s) != COUNTERS)
		return ends(f, len, XDP_DROP, bad_source(&s));
	out = forwarded(f, len, &s);
	out.borrowed = first != NULL;
	return out;
}

void model_blank_source_port(struct model_outcome *want, const uint8_t *got, size_t len)
{
	if (want->source_port_at && len > want->source_port_at + 1 &&
	    got[want->source_port_at] >= 0xc0)
		memcpy(want->bytes + want->source_port_at, got + want->source_port_at, 2);
}
