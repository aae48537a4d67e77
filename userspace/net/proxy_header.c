#include "userspace/net/proxy_header.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "userspace/base/must.h"

enum {
	SIGNATURE_LEN = 12,
	VERSION_AT = 12, /* version and command, four bits each */
	FAMILY_AT = 13,  /* family and transport, four bits each */
	LENGTH_AT = 14,
	COMMAND_LOCAL = 0x20,
	COMMAND_PROXY = 0x21,
	FAMILY_UNSPEC = 0,
	FAMILY_INET = 1,
	FAMILY_INET6 = 2,
	FAMILY_UNIX = 3,
	TRANSPORT_UNSPEC = 0,
	TRANSPORT_STREAM = 1,
	TRANSPORT_DGRAM = 2,
	INET_BYTES = 12,
	INET6_BYTES = 36,
	UNIX_BYTES = 216,
	TLV_HEAD = 3,
	CHECKSUM_BYTES = 4,
};

_Static_assert(PROXY_HEADER_V1_MAX < PROXY_HEADER_WRITE_MAX, "a line and its NUL fit");

static const struct span v1_signature = { "PROXY ", 6 };
static const struct span v1_unknown = { "PROXY UNKNOWN\r\n", 15 };
static const struct span v2_signature = { "\r\n\r\n\0\r\nQUIT\n", SIGNATURE_LEN };

/* The TLVs that we keep. Others are skipped, NOOP among them (PP, 2.2 and 2.2.4). */
enum tlv { TLV_ALPN, TLV_AUTHORITY, TLV_UNIQUE_ID, TLV_CHECKSUM, TLVS };

static const struct {
	uint8_t type;
	uint8_t min, max; /* bytes of the value */
} tlvs[TLVS] = {
	[TLV_ALPN] = { 0x01, 0, PROXY_HEADER_ALPN_MAX },
	[TLV_AUTHORITY] = { 0x02, 0, PROXY_HEADER_AUTHORITY_MAX },
	[TLV_UNIQUE_ID] = { 0x05, 0, PROXY_HEADER_UNIQUE_ID_MAX },
	[TLV_CHECKSUM] = { 0x03, CHECKSUM_BYTES, CHECKSUM_BYTES },
};

/* --- version 1 ----------------------------------------------------------------------------- */

/* What stands before the next space, which must be there. */
static bool word_take(struct span *rest, struct span *out_word)
{
	const char *space = memchr(rest->at, ' ', rest->len);

	if (!space)
		return false;
	*out_word = span_make(rest->at, (size_t)(space - rest->at));
	*rest = span_after(*rest, out_word->len + 1);
	return true;
}

static bool address_take(struct span *rest, bool v6, struct addr *out_addr)
{
	struct span word;

	return word_take(rest, &word) && (memchr(word.at, ':', word.len) != NULL) == v6 &&
	       addr_parse_ip(word, out_addr);
}

/* PP, 2.1: 0 is a port here, and no number begins with another 0. */
static bool port_parse(struct span text, __be16 *out_port)
{
	uint32_t n = 0;

	if (text.len == 0 || text.len > 5 || (text.at[0] == '0' && text.len > 1))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		n = n * 10 + (uint32_t)(text.at[i] - '0');
	}
	if (n > UINT16_MAX)
		return false;
	*out_port = htons((uint16_t)n);
	return true;
}

/* PP, 2.1; the line without its end. After UNKNOWN, whatever stands there is ignored. */
static enum proxy_header_reason parse_line(struct span line, struct proxy_header *header)
{
	struct span rest = span_after(line, v1_signature.len), word;
	bool v6 = span_has_prefix(rest, SPAN("TCP6 "));

	if (span_is(rest, SPAN("UNKNOWN")) || span_has_prefix(rest, SPAN("UNKNOWN ")))
		return PROXY_HEADER_NONE;
	if (!v6 && !span_has_prefix(rest, SPAN("TCP4 ")))
		return PROXY_HEADER_V1_PROTOCOL;
	rest = span_after(rest, 5);
	if (!address_take(&rest, v6, &header->source) ||
	    !address_take(&rest, v6, &header->destination))
		return PROXY_HEADER_V1_ADDRESS;
	if (!word_take(&rest, &word) || !port_parse(word, &header->source.port) ||
	    !port_parse(rest, &header->destination.port))
		return PROXY_HEADER_V1_PORT;
	header->has_addresses = true;
	return PROXY_HEADER_NONE;
}

/*
 * PP, 2.1: nothing is decoded before CR LF is there, and neither CR nor LF alone ends a line. They
 * are refused behind UNKNOWN too, as a reader who takes them for an end sees other bytes follow.
 */
static enum proxy_header_result parse_v1(struct span in, struct proxy_header *header,
					 enum proxy_header_reason *out_why)
{
	size_t max = in.len < PROXY_HEADER_V1_MAX ? in.len : PROXY_HEADER_V1_MAX, end = 0;

	for (size_t i = v1_signature.len; i < max && end == 0; i++) {
		if ((in.at[i] == '\n') != (in.at[i - 1] == '\r')) {
			*out_why = PROXY_HEADER_V1_LINE_END;
			return PROXY_HEADER_REJECT;
		}
		if (in.at[i] == '\n')
			end = i + 1;
	}
	if (end == 0 && in.len < PROXY_HEADER_V1_MAX)
		return PROXY_HEADER_NEED_MORE;
	header->version = 1;
	header->used = (uint16_t)end;
	*out_why = end == 0 ? PROXY_HEADER_V1_LONG : parse_line(span_make(in.at, end - 2), header);
	return *out_why == PROXY_HEADER_NONE ? PROXY_HEADER_DONE : PROXY_HEADER_REJECT;
}

/* --- version 2 ----------------------------------------------------------------------------- */

static unsigned byte_at(struct span in, size_t at)
{
	return (uint8_t)in.at[at];
}

static unsigned u16_at(struct span in, size_t at)
{
	return byte_at(in, at) << 8 | byte_at(in, at + 1);
}

/* CRC-32C (RFC 9260, appendix A), four bits at a time: headers are short, so is the table. */
static uint32_t crc32c(uint32_t crc, struct span in)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	for (size_t i = 0; i < in.len; i++) {
		crc ^= byte_at(in, i);
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}

/* PP, 2.2.3: over the whole header, with zeros for the checksum that stands at offset at. */
static uint32_t checksum(struct span header, size_t at)
{
	uint32_t crc = crc32c(UINT32_MAX, span_make(header.at, at));

	crc = crc32c(crc, SPAN("\0\0\0\0"));
	return ~crc32c(crc, span_after(header, at + CHECKSUM_BYTES));
}

/* UNSPEC in either half makes both unknown (PP, 2.2): there are then no addresses to read. */
static unsigned family_of(unsigned byte)
{
	return (byte & 15) == TRANSPORT_UNSPEC ? FAMILY_UNSPEC : byte >> 4;
}

/* How many bytes the addresses of this family take. */
static size_t address_bytes(unsigned family)
{
	static const uint8_t bytes[] = {
		[FAMILY_UNSPEC] = 0,
		[FAMILY_INET] = INET_BYTES,
		[FAMILY_INET6] = INET6_BYTES,
		[FAMILY_UNIX] = UNIX_BYTES,
	};

	return bytes[family];
}

/* What is wrong in that part of the head which is there, in the order of its bytes. */
static enum proxy_header_reason check_head(struct span in)
{
	bool is_proxy = in.len > VERSION_AT && byte_at(in, VERSION_AT) == COMMAND_PROXY;

	if (in.len > VERSION_AT && byte_at(in, VERSION_AT) >> 4 != 2)
		return PROXY_HEADER_V2_VERSION;
	if (in.len > VERSION_AT && !is_proxy && byte_at(in, VERSION_AT) != COMMAND_LOCAL)
		return PROXY_HEADER_V2_COMMAND;
	/* The family of LOCAL is ignored, whatever it is (PP, 2.2). */
	if (is_proxy && in.len > FAMILY_AT &&
	    (byte_at(in, FAMILY_AT) >> 4 > FAMILY_UNIX ||
	     (byte_at(in, FAMILY_AT) & 15) > TRANSPORT_DGRAM))
		return PROXY_HEADER_V2_FAMILY;
	if (in.len < PROXY_HEADER_V2_HEAD)
		return PROXY_HEADER_NONE;
	if (u16_at(in, LENGTH_AT) > PROXY_HEADER_V2_BLOCK_MAX)
		return PROXY_HEADER_V2_LONG;
	if (is_proxy && u16_at(in, LENGTH_AT) < address_bytes(family_of(byte_at(in, FAMILY_AT))))
		return PROXY_HEADER_V2_SHORT;
	return PROXY_HEADER_NONE;
}

/* Source, destination, source port, destination port, with addresses of size bytes each. */
static void read_addresses(struct span in, size_t size, struct proxy_header *header)
{
	struct addr *both[] = { &header->source, &header->destination };

	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		*both[i] = (struct addr){ .ip = { 0, 0, htonl(0xffff) } };
		memcpy((char *)both[i]->ip + sizeof(both[i]->ip) - size, in.at + i * size, size);
		memcpy(&both[i]->port, in.at + 2 * size + i * 2, 2);
	}
	header->has_addresses = true;
}

static enum proxy_header_reason keep_tlv(unsigned type, struct span value, struct span kept[TLVS])
{
	for (unsigned i = 0; i < TLVS; i++) {
		if (tlvs[i].type != type)
			continue;
		if (value.len < tlvs[i].min || value.len > tlvs[i].max)
			return PROXY_HEADER_TLV_LENGTH;
		if (kept[i].at)
			return PROXY_HEADER_TLV_TWICE;
		kept[i] = value;
	}
	return PROXY_HEADER_NONE;
}

/* The TLVs from offset at to the end of the header (PP, 2.2). */
static enum proxy_header_reason read_tlvs(struct span in, size_t at, struct span kept[TLVS])
{
	while (at < in.len) {
		struct span rest = span_after(in, at);
		enum proxy_header_reason why;
		size_t len;

		if (rest.len < TLV_HEAD || u16_at(rest, 1) > rest.len - TLV_HEAD)
			return PROXY_HEADER_TLV_CUT;
		len = u16_at(rest, 1);
		why = keep_tlv(byte_at(rest, 0), span_make(rest.at + TLV_HEAD, len), kept);
		if (why != PROXY_HEADER_NONE)
			return why;
		at += TLV_HEAD + len;
	}
	return PROXY_HEADER_NONE;
}

/*
 * in is the header, whole. What follows LOCAL and UNSPEC is skipped unread (PP, 2.2): it is not
 * said where addresses would end there and TLVs begin.
 */
static enum proxy_header_reason read_block(struct span in, struct proxy_header *header)
{
	unsigned family = family_of(byte_at(in, FAMILY_AT));
	struct span kept[TLVS] = { 0 }, sum;
	enum proxy_header_reason why;

	header->is_local = byte_at(in, VERSION_AT) == COMMAND_LOCAL;
	if (header->is_local || family == FAMILY_UNSPEC)
		return PROXY_HEADER_NONE;
	why = read_tlvs(in, PROXY_HEADER_V2_HEAD + address_bytes(family), kept);
	if (why != PROXY_HEADER_NONE)
		return why;
	sum = kept[TLV_CHECKSUM];
	header->has_checksum = sum.at != NULL;
	if (sum.at &&
	    checksum(in, (size_t)(sum.at - in.at)) != (u16_at(sum, 0) << 16 | u16_at(sum, 2)))
		return PROXY_HEADER_CHECKSUM;
	if (family != FAMILY_UNIX) {
		read_addresses(span_after(in, PROXY_HEADER_V2_HEAD), family == FAMILY_INET ? 4 : 16,
			       header);
		header->is_datagram = (byte_at(in, FAMILY_AT) & 15) == TRANSPORT_DGRAM;
	}
	header->alpn = kept[TLV_ALPN];
	header->authority = kept[TLV_AUTHORITY];
	header->unique_id = kept[TLV_UNIQUE_ID];
	return PROXY_HEADER_NONE;
}

static enum proxy_header_result parse_v2(struct span in, struct proxy_header *header,
					 enum proxy_header_reason *out_why)
{
	size_t len;

	*out_why = check_head(in);
	if (*out_why != PROXY_HEADER_NONE)
		return PROXY_HEADER_REJECT;
	if (in.len < PROXY_HEADER_V2_HEAD)
		return PROXY_HEADER_NEED_MORE;
	len = PROXY_HEADER_V2_HEAD + u16_at(in, LENGTH_AT);
	if (in.len < len)
		return PROXY_HEADER_NEED_MORE;
	header->version = 2;
	header->used = (uint16_t)len;
	*out_why = read_block(span_make(in.at, len), header);
	return *out_why == PROXY_HEADER_NONE ? PROXY_HEADER_DONE : PROXY_HEADER_REJECT;
}

/* Whether in and signature are the same as far as both go. */
static bool may_be(struct span in, struct span signature)
{
	return memcmp(in.at, signature.at, in.len < signature.len ? in.len : signature.len) == 0;
}

enum proxy_header_result proxy_header_parse(struct span in, struct proxy_header *out_header,
					    enum proxy_header_reason *out_why)
{
	enum proxy_header_result got = PROXY_HEADER_REJECT;
	enum proxy_header_reason why = PROXY_HEADER_NOT_PROXY;
	struct proxy_header header = { 0 };

	if (in.len == 0)
		return PROXY_HEADER_NEED_MORE;
	if (may_be(in, v1_signature))
		got = parse_v1(in, &header, &why);
	else if (may_be(in, v2_signature))
		got = parse_v2(in, &header, &why);
	if (got == PROXY_HEADER_DONE)
		*out_header = header;
	if (got == PROXY_HEADER_REJECT)
		*out_why = why;
	return got;
}

/* --- writing ------------------------------------------------------------------------------- */

/* PP, 2.1 has no dotted end for IPv6, where inet_ntop has one for ::ffff:0:0/96 and ::/96. */
static void print_v6(const struct addr *a, char out[INET6_ADDRSTRLEN])
{
	const uint16_t *w = (const uint16_t *)a->ip;

	if (inet_ntop(AF_INET6, a->ip, out, INET6_ADDRSTRLEN) && !strchr(out, '.'))
		return;
	snprintf(out, INET6_ADDRSTRLEN, "%x:%x:%x:%x:%x:%x:%x:%x", ntohs(w[0]), ntohs(w[1]),
		 ntohs(w[2]), ntohs(w[3]), ntohs(w[4]), ntohs(w[5]), ntohs(w[6]), ntohs(w[7]));
}

static bool are_v4(const struct proxy_header *header)
{
	return addr_is_v4(&header->source) && addr_is_v4(&header->destination);
}

static size_t write_v1(const struct proxy_header *header, char *out)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	bool v4 = are_v4(header);

	if (!header->has_addresses || header->is_local || header->is_datagram) {
		memcpy(out, v1_unknown.at, v1_unknown.len);
		return v1_unknown.len;
	}
	if (v4) {
		inet_ntop(AF_INET, &header->source.ip[3], from, sizeof(from));
		inet_ntop(AF_INET, &header->destination.ip[3], to, sizeof(to));
	} else {
		print_v6(&header->source, from);
		print_v6(&header->destination, to);
	}
	return (size_t)snprintf(out, PROXY_HEADER_V1_MAX + 1, "PROXY %s %s %s %u %u\r\n",
				v4 ? "TCP4" : "TCP6", from, to, ntohs(header->source.port),
				ntohs(header->destination.port));
}

static size_t put_tlv(char *out, size_t at, enum tlv kind, struct span value)
{
	if (value.len == 0)
		return at;
	out[at] = (char)tlvs[kind].type;
	out[at + 1] = 0; /* all of ours are shorter than 256 bytes */
	out[at + 2] = (char)value.len;
	memcpy(out + at + TLV_HEAD, value.at, value.len);
	return at + TLV_HEAD + value.len;
}

static size_t put_addresses(char *out, size_t at, const struct proxy_header *header)
{
	size_t size = are_v4(header) ? 4 : 16, skip = sizeof(header->source.ip) - size;

	memcpy(out + at, (const char *)header->source.ip + skip, size);
	memcpy(out + at + size, (const char *)header->destination.ip + skip, size);
	memcpy(out + at + 2 * size, &header->source.port, 2);
	memcpy(out + at + 2 * size + 2, &header->destination.port, 2);
	return at + 2 * size + 4;
}

static void put_u16(char *out, size_t n)
{
	out[0] = (char)(n >> 8);
	out[1] = (char)n;
}

static size_t write_v2(const struct proxy_header *header, char *out)
{
	unsigned transport = header->is_datagram ? TRANSPORT_DGRAM : TRANSPORT_STREAM;
	unsigned family = are_v4(header) ? FAMILY_INET : FAMILY_INET6;
	size_t len = PROXY_HEADER_V2_HEAD;
	uint32_t sum;

	memset(out, 0, len);
	memcpy(out, v2_signature.at, SIGNATURE_LEN);
	out[VERSION_AT] = header->is_local ? COMMAND_LOCAL : COMMAND_PROXY;
	if (header->is_local || !header->has_addresses)
		return len;
	out[FAMILY_AT] = (char)(family << 4 | transport);
	len = put_addresses(out, len, header);
	len = put_tlv(out, len, TLV_ALPN, header->alpn);
	len = put_tlv(out, len, TLV_AUTHORITY, header->authority);
	len = put_tlv(out, len, TLV_UNIQUE_ID, header->unique_id);
	if (header->has_checksum)
		len = put_tlv(out, len, TLV_CHECKSUM, SPAN("\0\0\0\0"));
	put_u16(out + LENGTH_AT, len - PROXY_HEADER_V2_HEAD);
	if (header->has_checksum) {
		sum = checksum(span_make(out, len), len - CHECKSUM_BYTES);
		put_u16(out + len - 4, sum >> 16);
		put_u16(out + len - 2, sum);
	}
	return len;
}

size_t proxy_header_write(const struct proxy_header *header, char out[PROXY_HEADER_WRITE_MAX])
{
	MUST(header->version == 1 || header->version == 2);
	if (header->alpn.len > PROXY_HEADER_ALPN_MAX ||
	    header->authority.len > PROXY_HEADER_AUTHORITY_MAX ||
	    header->unique_id.len > PROXY_HEADER_UNIQUE_ID_MAX)
		return 0;
	return header->version == 1 ? write_v1(header, out) : write_v2(header, out);
}

/* --- reasons ------------------------------------------------------------------------------- */

static const struct {
	struct span text;
	const char *name;
} reasons[] = {
#define X(name, text) { { text, sizeof(text) - 1 }, #name },
	PROXY_HEADER_REASONS(X)
#undef X
};

struct span proxy_header_reason_text(enum proxy_header_reason why)
{
	MUST((unsigned)why < PROXY_HEADER_REASONS_COUNT);
	return reasons[why].text;
}

const char *proxy_header_reason_name(enum proxy_header_reason why)
{
	MUST((unsigned)why < PROXY_HEADER_REASONS_COUNT);
	return reasons[why].name;
}
