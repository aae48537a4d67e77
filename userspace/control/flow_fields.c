#include "userspace/control/flow_fields.h"

#include <stddef.h>

#define AGE_MOST  (100ull * 366 * 86400 * 1000)
#define TIME_MOST (1ull << 52)
#define RATE_MOST (1ull << 37) /* as of a configured one */

enum { SCALE_MOST = 14, VNI_MOST = (1 << 24) - 1 }; /* RFC 7323, 2.3; RFC 7348, 5 */

/* A struct splice that grows has something that must move too, or be said to stay behind: how its
 * endpoint is drained, the other node's configuration says. */
_Static_assert(sizeof(struct splice) == 384 && sizeof(struct splice_dir) == 120,
	       "a new field of a splice: add it to these tables, or say why it does not move");

/* clang-format off */
#define NUMBER_OF(type, name, field, least, most) \
	{ name, FIELD_NUMBER, offsetof(type, field), sizeof(((type *)0)->field), least, most, NULL }
#define NUMBER(type, field, least, most) NUMBER_OF(type, #field, field, least, most)
#define FIELD(type, kind, field) \
	{ #field, kind, offsetof(type, field), sizeof(((type *)0)->field), 0, 0, NULL }

#define SEQUENCE(field) NUMBER(struct splice_dir, field, 0, UINT32_MAX)

/* Of the rest of a splice_dir: out is in the addresses, the next hop is of one node, ack_delta and
 * tsecr_delta are the other direction's, wraps is the tunnel's, last_jiffies is one node's clock. */
static const struct field dir_fields[] = {
	SEQUENCE(seq_delta),
	SEQUENCE(ts_delta),
	SEQUENCE(floor),
	NUMBER(struct splice_dir, ws_in, 0, SCALE_MOST),
	NUMBER(struct splice_dir, ws_out, 0, SCALE_MOST),
	SEQUENCE(drain),
	SEQUENCE(krcv),
	SEQUENCE(max_seq),
	SEQUENCE(max_ack),
	SEQUENCE(fin_seq),
	NUMBER(struct splice_dir, fin, 0, 2),
	NUMBER(struct splice_dir, window, 0, UINT16_MAX),
	NUMBER(struct splice_dir, packets, 0, INT64_MAX),
	NUMBER(struct splice_dir, bytes, 0, INT64_MAX),
	{ 0 },
};

static const struct field tunnel_fields[] = {
	NUMBER(struct flow_tunnel, vni, 1, VNI_MOST),
	FIELD(struct flow_tunnel, FIELD_IP, host),
	FIELD(struct flow_tunnel, FIELD_MAC, mac),
	{ 0 },
};

static const struct field rate_fields[] = {
	FIELD(struct flow_rate, FIELD_HASH, owner),
	NUMBER(struct flow_rate, all, 0, RATE_MOST),
	NUMBER(struct flow_rate, source, 0, RATE_MOST),
	NUMBER(struct flow_rate, over_client, 0, UINT32_MAX),
	NUMBER(struct flow_rate, over_endpoint, 0, UINT32_MAX),
	{ 0 },
};

const struct field flow_line_fields[] = {
	FIELD(struct flow_line, FIELD_ADDRESS, client),
	FIELD(struct flow_line, FIELD_ADDRESS, vip),
	FIELD(struct flow_line, FIELD_ADDRESS, source),
	FIELD(struct flow_line, FIELD_ADDRESS, endpoint),
	FIELD(struct flow_line, FIELD_TEXT, upstream),
	FIELD(struct flow_line, FIELD_WHETHER, timestamps),
	NUMBER(struct flow_line, age_ms, 0, AGE_MOST),
	NUMBER(struct flow_line, idle_ms, 0, UINT32_MAX),
	NUMBER(struct flow_line, most_ms, 0, UINT32_MAX),
	NUMBER(struct flow_line, session, 0, INT64_MAX),
	{ "tunnel", FIELD_OPTIONAL, offsetof(struct flow_line, tunnel), sizeof(struct flow_tunnel), 0, 0, tunnel_fields },
	{ "rate", FIELD_OPTIONAL, offsetof(struct flow_line, rate), sizeof(struct flow_rate), 0, 0, rate_fields },
	{ "from_client", FIELD_OBJECT, offsetof(struct flow_line, dir[0]), 0, 0, 0, dir_fields },
	{ "from_endpoint", FIELD_OBJECT, offsetof(struct flow_line, dir[1]), 0, 0, 0, dir_fields },
	{ 0 },
};

const struct field flow_head_fields[] = {
	NUMBER_OF(struct flow_head_line, "shunt_flows", version, FLOW_FILE_VERSION, FLOW_FILE_VERSION),
	NUMBER(struct flow_head_line, abi, 1, UINT32_MAX),
	{ "node", FIELD_TEXT, offsetof(struct flow_head_line, head.node), FLOW_FILE_NODE_MAX + 1, 0, 0, NULL },
	NUMBER_OF(struct flow_head_line, "time_ms", head.time_ms, 0, TIME_MOST),
	NUMBER_OF(struct flow_head_line, "flows", head.flows, 0, FLOW_FILE_FLOWS_MAX),
	{ 0 },
};
/* clang-format on */
