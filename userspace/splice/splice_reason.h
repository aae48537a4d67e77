/*
 * splice_reason.h - why a session was spliced or not, as one list: for the log and the metrics.
 */
#pragma once

/* Why a session was not spliced, or how it was; X(name, text in log and metrics). */
#define SPLICE_REASON_LIST(X)                                                                      \
	X(NONE, "")                                                                                \
	X(DONE, "spliced")                                                                         \
	X(NOT_A_TUNNEL, "the exchange stays HTTP")                                                 \
	X(OFF, "switched off by configuration")                                                    \
	X(NO_DATAPLANE, "no device has the fast path")                                             \
	X(NO_QUERY, "socket state cannot be read")                                                 \
	X(TLS, "shunt ends or begins TLS on it")                                                   \
	X(TIMESTAMPS, "timestamps on one leg only")                                                \
	X(ECN, "ECN is in use")                                                                    \
	X(OUT_OF_ORDER, "segments out of order were waiting")                                      \
	X(MSS, "segment sizes differ")                                                             \
	X(FAMILY, "address families differ")                                                       \
	X(FINISHED, "one end had finished")                                                        \
	X(NO_PORT, "no reserved source port was free")                                             \
	X(NO_SLOT, "the table of splices is full")                                                 \
	X(UNRESOLVED, "a next hop is not resolved")                                                \
	X(OFF_PATH, "an end is not behind a device with the fast path")                            \
	X(DEVICE, "a relay is cheaper where its packets come in")                                  \
	X(SMALL, "what was left of the body was not worth it")                                     \
	X(NOT_QUIET, "its sender had not acknowledged everything before it")                       \
	X(SHIFTED, "bodies were spliced on it before")                                             \
	X(COUNT_MISMATCH, "byte counts and sequence numbers disagree")                             \
	X(SYSTEM, "a system call failed")

enum splice_reason {
#define X(name, text) SPLICE_REASON_##name,
	SPLICE_REASON_LIST(X)
#undef X
		SPLICE_REASONS
};

extern const char *const splice_reason_names[SPLICE_REASONS]; /* as in metrics */
extern const char *const splice_reason_texts[SPLICE_REASONS];
