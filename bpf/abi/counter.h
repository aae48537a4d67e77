/*
 * counter.h - every way that a packet can leave, as one list: X(name, what it means).
 *
 * A packet is counted once, where it leaves; what a guard only observes is counted beside that.
 * The order of GUARD_ and their _SEEN is the same. shunt_counters is a per-CPU array of struct
 * tally by enum.
 */
#pragma once
#include "bpf/abi/abi.h"

#define COUNTER_LIST(X)                                                                            \
	X(NOT_OURS, "passed: to nobody we know")                                                   \
	X(NOT_IP, "passed: neither IPv4 nor IPv6")                                                 \
	X(TO_STACK, "passed: for a listener of the proxy")                                         \
	X(ODD_TO_STACK, "passed: for a vip's address, but no port of it")                          \
	X(FORWARDED, "sent to an L4 endpoint by its ring")                                         \
	X(FORWARDED_STICKY,                                                                        \
	  "sent to the L4 endpoint that the connection had before its ring changed")               \
	X(FORWARDED_QUIC, "sent to the L4 endpoint that its QUIC connection id names")             \
	X(NATED, "sent to an L4 endpoint from an address and port of ours")                        \
	X(NAT_ANSWERED, "an L4 endpoint's answer to us, sent to its client")                       \
	X(SPLICED, "forwarded between both ends of a spliced connection")                          \
	X(HANDOVER_PASSED, "passed: belongs to our own socket while a splice begins")              \
	X(UNRESOLVED, "dropped: the next hop has no MAC address yet")                              \
	X(DECAP_TO_STACK, "unwrapped from VXLAN and passed")                                       \
	X(SHORT, "dropped: a header ends before its length says, to a vip")                        \
	X(BAD_LENGTH, "dropped: the lengths in the headers contradict each other, to a vip")       \
	X(BAD_HEADER, "dropped: a header no sender may write, to a vip")                           \
	X(BAD_CHECKSUM, "dropped: the IPv4 header's checksum is wrong, to a vip")                  \
	X(BAD_FLAGS, "dropped: SYN with FIN or RST, or no TCP flag at all, to a vip")              \
	X(LAND, "dropped: a vip's address as source and destination")                              \
	X(MARTIAN, "dropped: a source that no sender has (loopback, multicast), to a vip")         \
	X(FRAGMENT, "dropped: a fragment of a spliced connection")                                 \
	X(FRAGMENT_LOST, "dropped: a later fragment to L4 listeners, of whose first we know not")  \
	X(ERROR_FOLLOWED, "ICMP error about an L4 connection, sent to its endpoint")               \
	X(ERROR_TRANSLATED, "ICMP error about a spliced connection, translated to the other end")  \
	X(ERROR_UNTOLD,                                                                            \
	  "dropped: an ICMP error about a spliced connection, for an endpoint in a vpc")           \
	X(ERROR_FORGED, "dropped: ICMP error about a spliced connection, outside its window")      \
	X(PING_ANSWERED, "answered: an echo request to a vip")                                     \
	X(PING_DROPPED, "dropped: an echo request to a vip with ping: drop")                       \
	X(GUARD_DENIED, "dropped: the lists of a guard refuse its source")                         \
	X(GUARD_PACKETS, "dropped: its source sends more packets than a guard lets it")            \
	X(GUARD_FLOWS, "dropped: its source begins more connections than a guard lets it")         \
	X(GUARD_DENIED_SEEN, "only observed, counted again where it leaves: GUARD_DENIED")         \
	X(GUARD_PACKETS_SEEN, "only observed, counted again where it leaves: GUARD_PACKETS")       \
	X(GUARD_FLOWS_SEEN, "only observed, counted again where it leaves: GUARD_FLOWS")           \
	X(COOKIE_SENT, "answered: a SYN for a listener of the proxy, with a cookie")               \
	X(COOKIE_SEEN, "only observed, counted again where it leaves: COOKIE_SENT")                \
	X(TTL_EXPIRED, "dropped: TTL or hop limit used up, and its sender is not told")            \
	X(TTL_TOLD, "answered: TTL or hop limit used up, its sender was told")                     \
	X(TOO_BIG, "dropped: does not fit, and its sender may not or need not be told")            \
	X(TOO_BIG_TOLD, "answered: does not fit, its sender was told what would")                  \
	X(TOO_BIG_LIMITED, "dropped: does not fit, and enough senders were told this second")      \
	X(NO_ENDPOINT, "dropped: the ring is empty or its endpoint is down")                       \
	X(TUNNEL_UNKNOWN, "dropped: VXLAN to our vtep from an unknown vtep or VNI")                \
	X(TUNNEL_FOREIGN, "dropped: to our address in a vpc, but not in the tunnel of that vpc")   \
	X(TUNNEL_BAD, "dropped: VXLAN to our vtep that is malformed")                              \
	X(NOT_NEAR, "dropped: the endpoint of a listener with forward: dsr is behind a router")    \
	X(NAT_FULL, "dropped: no port or no place in the table of flows for a new connection")     \
	X(NAT_UNKNOWN, "dropped: of no connection that we know, to a listener with forward: nat")  \
	X(NAT_LINK, "dropped: for forward: nat, but came in a tunnel, by tc, or with two tags")    \
	X(NO_HEADROOM, "dropped: no room to wrap the packet")                                      \
	X(SPLICE_EARLY, "dropped: rule R4, bytes from before the splice that must be resent")      \
	X(SPLICE_MOVED, "dropped: of a spliced connection that was exported to another node")      \
	X(SPLICE_SYN, "dropped: a SYN on a spliced connection")                                    \
	X(SPLICE_FORGED, "dropped: outside the window of a spliced connection")                    \
	X(SPLICE_RATE, "dropped: over the rate of a route or source; TCP then sends slower")       \
	X(LEG_PASSED, "passed: to a socket beside which bodies have gone, its numbers shifted")    \
	X(LEG_CHANGING,                                                                            \
	  "dropped: as what is known of its splice just changes; its sender tries again")          \
	X(BODY_BEFORE,                                                                             \
	  "dropped: what is before a spliced body and in it; its sender must be told")             \
	X(BODY_BEHIND, "dropped: what follows a body that is spliced, before it has ended")        \
	X(EGRESS_SHIFTED, "sent by a socket beside which bodies have gone, its numbers shifted")   \
	X(EGRESS_REPAIRED, "sent by our stack, acknowledgement raised by rule R6")                 \
	X(EGRESS_PLAIN, "sent by our stack during a handover, unchanged")                          \
	X(EGRESS_WRAPPED,                                                                          \
	  "sent by our stack to an L4 endpoint: a health check, by the way of traffic")            \
	X(EGRESS_UNSENT, "dropped: a health check whose endpoint has no way or no room")

enum counter {
#define X(name, text) COUNT_##name,
	COUNTER_LIST(X)
#undef X
		COUNTERS
};
