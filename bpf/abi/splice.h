/*
 * splice.h - both directions of a spliced connection; the protocol is in docs/splice.md.
 *
 * X is the end whose packets a direction describes, Y the other end. Sequence numbers are in host
 * order, modulo 2^32. An element is written by its userspace owner before its keys exist and then
 * read by the programs; below "recorded" it is the other way round. Fields marked "raised" are
 * moved forward by userspace during HANDOVER (single aligned words).
 */
#pragma once
#include "bpf/abi/abi.h"
#include "bpf/abi/flow.h"
#include "bpf/abi/tunnel.h"

enum splice_state {
	SPLICE_FREE = 0,
	SPLICE_HANDOVER = 1, /* both kernel sockets still live and are drained (rules R1 to R6) */
	SPLICE_SPLICED = 2,  /* the sockets are gone, nothing is passed up */
	SPLICE_CLOSED = 3,   /* ended; the keys linger as TIME_WAIT does */
	SPLICE_LEG = 4,      /* no splice: a connection whose socket lives, see struct leg */
	SPLICE_BUCKET = 5,   /* no splice: how much may be sent by several, see struct bucket */
	SPLICE_MOVED = 6,    /* exported: another node has it, or will; all packets are dropped */
};

/* Bits of splice.events, set by the programs with an atomic or, each raised once to shunt_events.
 */
enum splice_event {
	SPLICE_DRAINED = 1,            /* both ends have acked what our sockets sent */
	SPLICE_ENDED = 2,              /* both FINs seen and acked */
	SPLICE_RESET = 4,              /* an RST at exactly the expected sequence number */
	SPLICE_REUSED = 8,             /* a SYN on an existing key */
	SPLICE_RESET_BY_ENDPOINT = 16, /* with SPLICE_RESET: not by the client */
	SPLICE_ANEW = 32, /* of a leg, without an event: its addresses have another connection */
};

enum splice_flag {
	SPLICE_TIMESTAMPS = 1, /* on both legs */
	SPLICE_BY_SERVER = 2,  /* of a leg: its body comes from the endpoint */
};

struct splice_dir {
	/* the recipe, constant once the keys exist */
	struct flow_key out; /* as the packet leaves: our address and port to Y */
	__u32 next_hop;      /* into shunt_next_hops, towards Y */
	__u32 seq_delta;     /* Pout.write_seq + pending(X->Y) - Pin.copied_seq */
	__u32 ack_delta;     /* minus the other direction's seq_delta */
	__u32 ts_delta;      /* Pout's present TSval - Pin.ts_recent */
	__u32 tsecr_delta;   /* minus the other direction's ts_delta */
	__u32 floor;         /* Pin.copied_seq: X's bytes below were edited by the proxy */
	__u8 ws_in;          /* X's own window scale */
	__u8 ws_out;         /* what our socket announced to Y */
	__u16 wraps;         /* bytes that splice.tunnel adds to what leaves; 0: none */
	/* raised by userspace in HANDOVER */
	__u32 drain; /* X's acks up to here acknowledge bytes that our own socket sent */
	__u32 krcv;  /* what our socket facing X has received */
	/* recorded by the programs, in X's sequence space */
	__u32 max_seq; /* end of the furthest segment from X; start value: Pin.rcv_nxt */
	__u32 max_ack; /* furthest acknowledgement from X; start value: Pin.snd_una */
	__u32 fin_seq; /* number of X's FIN + 1 (what an ack of it says), valid where fin is set */
	__u32 fin;     /* 1: X finished first; 2: after Y */
	__u32 window;  /* of X's newest acknowledgement, unscaled; at first the largest there is */
	__u64 last_jiffies;
	__u64 packets;
	__u64 bytes; /* payload forwarded */
};
ABI_SIZE(struct splice_dir, 120);

/* What goes past the socket of a leg now. */
enum leg_body {
	LEG_NONE = 0, /* nothing */
	LEG_OUT = 1,  /* a body to X, from the other leg */
	LEG_IN = 2,   /* a body from X, to the other leg */
};

/*
 * A connection of ours (a leg) past whose socket bodies went: X on the wire and the socket count
 * differently ever after. Numbers are those on the wire, in the direction that is named, host
 * order: wire = socket's number + shift. The socket sees no more of [from, to) than its beginning.
 *
 * The plan is written by the worker that owns the socket, between two steps of `turn` (odd
 * meanwhile), together with dir[0]: the recipe for what X sends past the socket; of LEG_IN,
 * past.floor is where the body begins: from there on both legs have the same bytes.
 */
struct leg {
	__u32 turn;
	__u32 tx, rx;   /* shifts: bytes that X got, and that X sent, past our socket */
	__u32 body;     /* enum leg_body */
	__u32 from, to; /* the body's numbers on this leg; the first `from` are the socket's */
	__u32 peer;     /* element of the other leg */
	__u32 peer_generation;
	__u32 room; /* LEG_OUT: what the other leg's socket lets its X send behind the body */
	/* Recorded by the programs; the worker begins them with a body. */
	__u16 heard;    /* LEG_OUT: the socket knows that X has all before `from` */
	__u16 scale;    /* of window */
	__u32 progress; /* OUT: furthest acknowledgement from X; IN: furthest that X was given */
	__u32 sent;     /* end of what our socket has sent X */
	__u32 acked;    /* what our socket has acknowledged to X, */
	__u32 window;   /* and the window with it, as in the header */
	__u32 stamp;    /* newest TSval that X was sent, from whomever; valid with LEG_STAMPED */
	__u32 stamped;  /* enum leg_stamped */
	__u32 notes;    /* enum leg_note */
	__u32 stale;  /* TSval that the socket echoes though X has sent newer ones past it, or 0 */
	__u32 passed; /* end of what X sent that was passed to the socket, as that counts */
	union {
		__u32 crossing; /* LEG_IN, valid with LEG_CROSSED: where the segment begins */
		__u32 before;   /* LEG_OUT: the least TSval of what goes past */
	};
	struct flow_key key; /* of what X sends */
};
ABI_SIZE(struct leg, 120);

/* LEG_IN, of this body. */
enum leg_note {
	LEG_EARLY = 1,   /* X has finished before `to` */
	LEG_DEAF = 2,    /* X has not heard what the socket has, or that a window has opened */
	LEG_CROSSED = 4, /* a segment has the body's end, and what is behind it */
};

enum leg_stamped {
	LEG_STAMP_OWN = 1,  /* our socket's */
	LEG_STAMP_PAST = 2, /* of what went past it: ours stay behind no more */
};

/*
 * A rate that splices share, a route's or a source's: each way by itself, as many bytes. What went
 * has gone at the rate at `due`; that may be ahead of the present by what may come at once.
 */
struct bucket {
	__u64 due[2];     /* to the endpoint, to the client; ns of CLOCK_MONOTONIC */
	__u64 ahead_ns;   /* that due may be ahead */
	__u64 kib_ns;     /* that 1024 bytes take */
	__u64 owner;      /* whose rate, as a hash that outlives the process */
	__be32 source[4]; /* of one source; zero: of all */
};
ABI_SIZE(struct bucket, 56);

/* Element of shunt_splices (BPF_F_MMAPABLE). A leg's: dir[0] and leg. */
struct splice {
	__u32 state;       /* enum splice_state */
	__u32 generation;  /* counts uses of this element */
	__u32 events;      /* enum splice_event */
	__u32 flags;       /* enum splice_flag */
	__u32 worker;      /* who handed it over; a restarted daemon deals orphans out anew */
	__u32 source_port; /* host order: the reserved port towards the endpoint */
	__u64 started_ms;  /* CLOCK_BOOTTIME */
	union {
		struct splice_dir dir[2];
		struct {
			struct splice_dir past; /* from X to the other leg's */
			struct leg leg;
		};
		struct bucket bucket;
	};
	__u8 name[32]; /* of the upstream, for shuntctl flows; NUL-ended */
	/* Of userspace alone, here so that it outlives a process. */
	__u64 session;          /* in the access log */
	__u32 idle_ms, most_ms; /* without a packet, and in all; 0: any time */
	__u32 pays[2];          /* elements + 1 of the buckets that it counts against; 0: none */
	__u32 over_rate[2];     /* segments dropped for them, by direction as in bucket.due */
	__u64 drained_ms;       /* since when its endpoint is on its way out; 0: it is not */
	__u32 drain_ms;         /* as long it may last then; 0: any time */
	__u32 zero;
	/* Around what goes to the endpoint, dir[0], where that is in a vpc. */
	struct tunnel tunnel;
};
ABI_SIZE(struct splice, 384);

/* getsockopt(fd, SK_QUERY_LEVEL, SK_QUERY_STATE): one consistent look, taken under the socket's
 * lock. */
enum { SK_QUERY_LEVEL = 0x5350, SK_QUERY_STATE = 1 };

enum sk_query_flag {
	SK_TIMESTAMPS = 1,
	SK_SACK = 2,
	SK_WSCALE = 4,
	SK_OUT_OF_ORDER = 8, /* the out-of-order queue is not empty */
	SK_ECN = 16,
};

struct sk_state {
	__u32 write_seq, snd_nxt, snd_una;
	__u32 copied_seq, rcv_nxt, rcv_wnd;
	__u32 ts_recent, ts_now; /* the peer's clock; our present TSval */
	__u32 flags;             /* enum sk_query_flag */
	__u32 mss;               /* mss_cache: the largest payload we may send */
	__u8 snd_wscale;         /* the peer's */
	__u8 rcv_wscale;         /* ours */
	__u8 tcp_state;
	__u8 zero;
	__u32 snd_wnd; /* what the peer takes from snd_una on */
};
ABI_SIZE(struct sk_state, 48);
