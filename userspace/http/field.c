#include "userspace/http/field.h"

#include "userspace/base/addr.h"
#include "userspace/base/must.h"

/*
 * Paths and queries: RFC 3986 and what browsers send unescaped besides (WHATWG URL, 1.3), but no
 * byte that some server reads as an end or a slash: no "#" anywhere, no "\" in a path.
 */
#define V    BYTE_VALUE
#define Q    (V | BYTE_QUERY)
#define PQ   (Q | BYTE_PATH)
#define T    BYTE_TOKEN
#define NAME (T | PQ | BYTE_HOST | BYTE_PLAIN)

const uint8_t byte_class[256] = {
	['\t'] = V,
	[' '] = V,
	['!'] = T | PQ,
	['"'] = V,
	['#'] = T | V,
	['$' ... '\''] = T | PQ,
	['(' ... ')'] = PQ,
	['*' ... '+'] = T | PQ,
	[','] = PQ,
	['-' ... '.'] = NAME,
	['/'] = PQ,
	['0' ... '9'] = NAME | BYTE_DIGIT | BYTE_HEX,
	[':' ... ';'] = PQ,
	['<'] = V,
	['='] = PQ,
	['>'] = V,
	['?'] = Q,
	['@'] = PQ,
	['A' ... 'F'] = NAME | BYTE_HEX,
	['G' ... 'Z'] = NAME,
	['['] = PQ,
	['\\'] = Q,
	[']'] = PQ,
	['^'] = T | PQ,
	['_'] = NAME,
	['`'] = T | Q,
	['a' ... 'f'] = NAME | BYTE_HEX,
	['g' ... 'z'] = NAME,
	['{'] = PQ,
	['|'] = T | PQ,
	['}'] = PQ,
	['~'] = T | PQ | BYTE_PLAIN,
	[0x80 ... 0xff] = V,
};

bool span_is_all(struct span s, unsigned classes)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!byte_is(s.at[i], classes))
			return false;
	}
	return true;
}

enum { KNOWN_LEN_MAX = 17 };

struct known {
	const char *name;
	enum field_id id;
};

/* By length, so that a name is compared with two at most. */
static const struct known known[KNOWN_LEN_MAX + 1][2] = {
	[2] = { { "te", FIELD_TE } },
	[3] = { { "via", FIELD_VIA } },
	[4] = { { "host", FIELD_HOST } },
	[6] = { { "expect", FIELD_EXPECT } },
	[7] = { { "upgrade", FIELD_UPGRADE }, { "trailer", FIELD_TRAILER } },
	[9] = { { "forwarded", FIELD_FORWARDED } },
	[10] = { { "connection", FIELD_CONNECTION }, { "keep-alive", FIELD_KEEP_ALIVE } },
	[14] = { { "content-length", FIELD_CONTENT_LENGTH } },
	[15] = { { "x-forwarded-for", FIELD_FORWARDED_FOR } },
	[16] = { { "x-forwarded-host", FIELD_FORWARDED_HOST },
		 { "proxy-connection", FIELD_PROXY_CONNECTION } },
	[17] = { { "transfer-encoding", FIELD_TRANSFER_ENCODING },
		 { "x-forwarded-proto", FIELD_FORWARDED_PROTO } },
};

enum field_id field_identify(struct span name)
{
	if (name.len > KNOWN_LEN_MAX)
		return FIELD_OTHER;
	for (size_t i = 0; i < ARRAY_LEN(known[0]); i++) {
		const struct known *k = &known[name.len][i];

		if (k->name && strncasecmp(k->name, name.at, name.len) == 0)
			return k->id;
	}
	return FIELD_OTHER;
}

bool field_is_hop(enum field_id id)
{
	switch (id) {
	case FIELD_CONNECTION:
	case FIELD_KEEP_ALIVE:
	case FIELD_PROXY_CONNECTION:
	case FIELD_TE:
	case FIELD_TRANSFER_ENCODING:
	case FIELD_UPGRADE:
		return true;
	default:
		return false;
	}
}

bool field_is_forbidden_trailer(struct span name)
{
	static const char *const forbidden[] = {
		"age",
		"authorization",
		"cache-control",
		"content-encoding",
		"content-range",
		"content-type",
		"cookie",
		"date",
		"expires",
		"if-match",
		"if-modified-since",
		"if-none-match",
		"if-range",
		"if-unmodified-since",
		"location",
		"max-forwards",
		"pragma",
		"proxy-authenticate",
		"proxy-authorization",
		"range",
		"retry-after",
		"set-cookie",
		"vary",
		"warning",
		"www-authenticate",
	};

	if (field_identify(name) != FIELD_OTHER)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
		if (span_is_nocase(name, span_of(forbidden[i])))
			return true;
	}
	return false;
}

struct span field_trim(struct span s)
{
	while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t'))
		s = span_after(s, 1);
	while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* The length of the list's first element: up to a comma outside of quotes. */
static size_t element_len(struct span list)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < list.len && (quoted || list.at[i] != ','); i++) {
		if (list.at[i] == '"')
			quoted = !quoted;
		else if (quoted && list.at[i] == '\\' && i + 1 < list.len)
			i++;
	}
	return i;
}

bool field_list_take(struct span *list, struct span *out_element)
{
	while (list->len > 0) {
		size_t n = element_len(*list);
		struct span element = field_trim(span_make(list->at, n));

		*list = span_after(*list, n < list->len ? n + 1 : n);
		if (element.len > 0) {
			*out_element = element;
			return true;
		}
	}
	return false;
}

bool field_parse_number(struct span s, uint64_t *out_n)
{
	uint64_t n = 0;

	/* 19 digits cannot overflow 64 bits, but may be more than INT64_MAX. */
	if (s.len == 0 || s.len > 19 || !span_is_all(s, BYTE_DIGIT))
		return false;
	for (size_t i = 0; i < s.len; i++)
		n = n * 10 + (uint64_t)(s.at[i] - '0');
	if (n > INT64_MAX)
		return false;
	*out_n = n;
	return true;
}

/* The length of the host in front of a port; 0 where there is no valid host. */
static size_t host_len(struct span s)
{
	const char *end;
	struct addr ip;
	size_t n;

	if (s.len > 0 && s.at[0] == '[') {
		end = memchr(s.at, ']', s.len);
		if (!end)
			return 0;
		n = (size_t)(end - s.at) + 1;
		if (!memchr(s.at, ':', n) || !addr_parse_ip(span_make(s.at + 1, n - 2), &ip))
			return 0;
		return n;
	}
	end = memchr(s.at, ':', s.len);
	n = end ? (size_t)(end - s.at) : s.len;
	return n <= 255 && span_is_all(span_make(s.at, n), BYTE_HOST) ? n : 0;
}

bool field_parse_host(struct span s, struct span *out_host, uint16_t *out_port)
{
	uint64_t port = 0;
	size_t n = s.len > 0 ? host_len(s) : 0;

	if (n == 0)
		return false;
	if (n + 1 < s.len) {
		if (s.len - n > 6 || !field_parse_number(span_after(s, n + 1), &port))
			return false;
		if (port == 0 || port > UINT16_MAX)
			return false;
	}
	if (n < s.len && s.at[n] != ':')
		return false;
	*out_host = span_make(s.at, n);
	*out_port = (uint16_t)port;
	return true;
}
