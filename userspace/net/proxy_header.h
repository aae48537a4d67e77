/*
 * proxy_header.h - the PROXY protocol, versions 1 and 2, read and written.
 *
 * Knows the header that a proxy puts before the first byte of a connection (haproxy.org,
 * proxy-protocol.txt of 2020/03/05, cited here as PP). Does not know who may send one: a header
 * is believed only where configuration says so, and never looked for on a guess (PP, 5). Pure.
 */
#pragma once
#include "userspace/base/addr.h"
#include "userspace/base/span.h"

enum {
	PROXY_HEADER_V1_MAX = 107, /* PP, 2.1: CR LF included */
	PROXY_HEADER_V2_HEAD = 16,
	/* Our own limit on what follows the head of version 2, of 65535. */
	PROXY_HEADER_V2_BLOCK_MAX = 2048,
	PROXY_HEADER_MAX = PROXY_HEADER_V2_HEAD + PROXY_HEADER_V2_BLOCK_MAX,
	PROXY_HEADER_ALPN_MAX = 255, /* RFC 7301, 3.1 */
	PROXY_HEADER_AUTHORITY_MAX = 255,
	PROXY_HEADER_UNIQUE_ID_MAX = 128, /* PP, 2.2.5 */
	/* The longest that we write: IPv6 addresses, and each TLV with its type and length. */
	PROXY_HEADER_WRITE_MAX = PROXY_HEADER_V2_HEAD + 36 + 3 + PROXY_HEADER_ALPN_MAX + 3 +
				 PROXY_HEADER_AUTHORITY_MAX + 3 + PROXY_HEADER_UNIQUE_ID_MAX + 3 +
				 4,
};

/* Every reason for which bytes are not accepted as a header; the text is part of a sentence. */
#define PROXY_HEADER_REASONS(X)                                                                    \
	X(NONE, "accepted")                                                                        \
	X(NOT_PROXY, "the first bytes are no PROXY header")                                        \
	X(V1_LONG, "there is no CR LF in the first 107 bytes")                                     \
	X(V1_LINE_END, "there is a CR or LF alone")                                                \
	X(V1_PROTOCOL, "the protocol is none of TCP4, TCP6 and UNKNOWN")                           \
	X(V1_ADDRESS, "an address is not one of the family named before it")                       \
	X(V1_PORT, "a port is not a number from 0 to 65535")                                       \
	X(V2_VERSION, "the version of the binary header is not 2")                                 \
	X(V2_COMMAND, "the command is neither LOCAL nor PROXY")                                    \
	X(V2_FAMILY, "the address family or transport is not a known one")                         \
	X(V2_LONG, "the header is longer than allowed")                                            \
	X(V2_SHORT, "the header has no room for the addresses of its family")                      \
	X(TLV_CUT, "a TLV is longer than what is left of the header")                              \
	X(TLV_LENGTH, "the length of a TLV is not one that its type allows")                       \
	X(TLV_TWICE, "a TLV that may come once comes twice")                                       \
	X(CHECKSUM, "the checksum does not match")

enum proxy_header_reason {
#define X(name, text) PROXY_HEADER_##name,
	PROXY_HEADER_REASONS(X)
#undef X
		PROXY_HEADER_REASONS_COUNT
};

enum proxy_header_result {
	PROXY_HEADER_NEED_MORE, /* call again with these bytes and more behind them */
	PROXY_HEADER_DONE,
	PROXY_HEADER_REJECT, /* close the connection (PP, 2.1 and 2.2) */
};

/*
 * Without addresses (UNKNOWN, LOCAL, UNSPEC, Unix sockets) those of the connection itself hold.
 * Spans are empty where nothing was said.
 */
struct proxy_header {
	struct addr source;
	struct addr destination;
	struct span alpn;
	struct span authority; /* as the client sent it: nobody has checked that it is a name */
	struct span unique_id; /* any bytes */
	uint16_t used;   /* bytes of the header, not written; the client's bytes follow them */
	uint8_t version; /* 1 or 2 */
	bool has_addresses;
	bool is_local;     /* LOCAL: the proxy speaks for itself, as in a health check */
	bool is_datagram;  /* the addresses are those of UDP */
	bool has_checksum; /* when read: there was one, and it matched; when written: add one */
};

/*
 * Spans of *out_header are borrowed from in. On DONE only *out_header is set, on REJECT only
 * *out_why. Never asks for more than PROXY_HEADER_MAX bytes.
 */
enum proxy_header_result proxy_header_parse(struct span in, struct proxy_header *out_header,
					    enum proxy_header_reason *out_why);

/*
 * Returns how many bytes it wrote. Addresses go as IPv4 where both are. What version 1 cannot say
 * is left out: TLVs are, and UDP becomes UNKNOWN. Headers without addresses carry no TLVs. Returns
 * 0 and writes nothing where a span is beyond its limit.
 */
size_t proxy_header_write(const struct proxy_header *header, char out[PROXY_HEADER_WRITE_MAX]);

struct span proxy_header_reason_text(enum proxy_header_reason why);
/* "V1_PORT"; for counters. */
const char *proxy_header_reason_name(enum proxy_header_reason why);
