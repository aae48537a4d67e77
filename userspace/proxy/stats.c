#include "userspace/proxy/stats.h"

/* Names for machines are lower case; the list is written once, in capitals, for the enum. */
const char *const splice_reason_names[SPLICE_REASONS] = {
	[SPLICE_REASON_NONE] = "none",
	[SPLICE_REASON_DONE] = "done",
	[SPLICE_REASON_NOT_A_TUNNEL] = "not_a_tunnel",
	[SPLICE_REASON_OFF] = "off",
	[SPLICE_REASON_NO_DATAPLANE] = "no_dataplane",
	[SPLICE_REASON_NO_QUERY] = "no_query",
	[SPLICE_REASON_TIMESTAMPS] = "timestamps",
	[SPLICE_REASON_ECN] = "ecn",
	[SPLICE_REASON_OUT_OF_ORDER] = "out_of_order",
	[SPLICE_REASON_MSS] = "mss",
	[SPLICE_REASON_FAMILY] = "family",
	[SPLICE_REASON_FINISHED] = "finished",
	[SPLICE_REASON_NO_PORT] = "no_port",
	[SPLICE_REASON_NO_SLOT] = "no_slot",
	[SPLICE_REASON_UNRESOLVED] = "unresolved",
	[SPLICE_REASON_OFF_PATH] = "off_path",
	[SPLICE_REASON_COUNT_MISMATCH] = "count_mismatch",
	[SPLICE_REASON_SYSTEM] = "system",
};
/* A reason that is added without its name here would be printed as NULL. */
_Static_assert(SPLICE_REASONS == 18, "a splice reason was added: give it a name above");

const char *const splice_reason_texts[SPLICE_REASONS] = {
#define X(name, text) [SPLICE_REASON_##name] = (text),
	SPLICE_REASON_LIST(X)
#undef X
};
