/*
 * session.h - a client's connection, its states, and what its parts share (proxy/ only).
 *
 * One loop turns everything: session_run calls the step of the present state until none makes
 * progress, then says what each socket is waited for. Belongs to one worker.
 */
#pragma once
#include "userspace/base/clock.h"
#include "userspace/http/h1_body.h"
#include "userspace/http/h1_parser.h"
#include "userspace/net/conn.h"
#include "userspace/proxy/access_log.h"
#include "userspace/proxy/deed_ring.h"
#include "userspace/proxy/end_reason.h"
#include "userspace/proxy/pace.h"
#include "userspace/proxy/proxy.h"
#include "userspace/proxy/request_id.h"
#include "userspace/route/decide.h"
#include "userspace/route/quota.h"
#include "userspace/splice/handover.h"
#include "userspace/upstream/idle_pool.h"
#include "userspace/upstream/roster.h"
#include "userspace/upstream/wait_line.h"

enum session_state {
	SESSION_INTRODUCED, /* reads a PROXY header */
	SESSION_HANDSHAKE,  /* TLS, with the client */
	SESSION_HELLO,      /* reads a ClientHello, to route on its name */
	SESSION_READING,    /* reads a request's head, or waits for one */
	SESSION_FORWARDING, /* an exchange is under way */
	SESSION_TUNNEL,     /* bytes both ways, relayed or on their way into the kernel */
	SESSION_DRAINING,   /* said everything; reads the client's rest, so that it hears us out */
	SESSION_CLOSED,
	SESSION_STATES
};

enum side { CLIENT, SERVER };

enum {
	INTERIMS_MAX = 16,  /* 1xx heads before a final one */
	ATTEMPTS_MAX = 3,   /* connections tried for one exchange */
	SHED_MS = 500,      /* for each state of a session that is shed */
	BLOCK_WAIT_MS = 20, /* until a pool of blocks that is empty is asked again */
	STEPS_MAX = 32,     /* then other sessions of the worker get their turn */
	HEAD_BYTES_MAX = DECIDE_HEAD_BYTES, /* leaves room in a block for what we add */
};

/* One request and its response. Zeroed when it begins. */
struct exchange {
	const struct route *route;
	const struct upstream *upstream;
	const struct endpoint *endpoint;
	uint64_t began_ms;
	uint64_t request_until_ms,
		until_ms; /* until all of it is read; until all is over; 0: any */
	struct h1_body request_body, response_body;
	uint8_t request_framing, response_framing; /* as we send them */
	uint8_t client_minor;
	uint8_t attempts;                 /* endpoints that were asked */
	uint8_t tries;                    /* connections that were taken or begun */
	struct roster *roster;            /* of upstream; NULL: nobody was asked yet */
	uint64_t asked_ms;                /* since when the endpoint is to answer */
	uint64_t chosen_ms;               /* since when it is the one to be asked */
	bool good;                        /* its answer has begun, and well so far */
	bool trial, admitted, pending;    /* exchange_breaker.c's: what is to be given back */
	bool rationed;                    /* of its route's limits; likewise */
	uint32_t later_ms;                /* after which another request may pass these */
	uint64_t hash;                    /* of what makes requests go together */
	uint32_t place;                   /* of endpoint in its upstream */
	uint32_t kept;                    /* the place that the client's cookie names, if any: */
	bool keeps, kept_newest;          /* it names one; by the present key */
	bool foreign;                     /* it has one that names nobody */
	bool keyed;                       /* hash decides, whatever the upstream balances by */
	bool keyless;                     /* it has nothing to hash: hash is chance */
	uint8_t choice;                   /* enum roster_answer, the last */
	uint8_t retries;                  /* of attempts, by exchange_retry() */
	bool chosen;                      /* endpoint is the one to be asked next */
	bool waits;                       /* for a retry's time to come */
	bool retried;                     /* the last of retries has its endpoint */
	bool method_again;                /* its method may be sent twice */
	bool entered;                     /* the exchange is counted there */
	bool claimed;                     /* so is a connection that is not there yet */
	struct waiter waiter;             /* for room at one of the upstream's endpoints, */
	uint64_t joined_ms;               /* since when, the last time; */
	uint32_t joined_us, waited_ms;    /* as in times; and how long, before that */
	uint32_t tried[ROSTER_TRIED_MAX]; /* places, attempts of them */
	uint8_t interims;
	bool head_only;      /* HEAD: the response has no body */
	bool request_done;   /* all of it is in s->to_server or gone */
	bool response_begun; /* bytes of a final head are in s->to_client or gone */
	bool response_done;
	bool client_keep, server_keep;
	bool client_closes; /* says that this is its last request */
	bool replayable;    /* all that was sent is pinned, at first */
	bool reused;        /* on a connection that served others before */
	bool tunnels;       /* may end as a tunnel: needs a connection that can be spliced */
	bool request_last, response_last; /* the last chunk's line was written */
	uint16_t status;
	uint64_t bytes_in, bytes_out;
	struct bounded *bounded;  /* a body that the kernel carries now; NULL: none */
	uint64_t bytes_spliced;   /* of both bodies; they are in bytes_in and bytes_out too */
	uint64_t looked;          /* how far bounded had got at the last look */
	uint8_t bounded_from;     /* enum side */
	uint8_t look_ms;          /* until the next */
	uint8_t looks;            /* whether a body may be spliced, so far */
	uint8_t splice_reason;    /* enum splice_reason, of the last of them */
	struct span location;     /* of a redirect of parts. Lives as long as detail */
	const char *detail;       /* of end; NULL: none. Lives as long as the call that ends it */
	uint8_t end;              /* enum end_reason */
	struct access_note *note; /* what its line will say of its head; NULL: nothing */
	struct access_times times;
};

/* In use from a client's first bytes to its answer's last, and then laid to rest; see rest.h. */
struct session {
	/* The store's, also while it is spare. */
	struct session *spare_next;
	bool spare;
	uint64_t due_ms; /* when timer fires, where it runs */
	struct timer timer;
	struct timer poll; /* of a handover */
	struct timer turn; /* goes on after others had theirs */
	/* From here on zeroed at the beginning. */
	struct session *next, *prev;
	struct proxy *proxy;
	struct rest *rest; /* the client's */
	struct snapshot *snapshot;
	const struct listener *listener;
	uint64_t id;
	enum session_state state;
	struct conn *ends[2];
	struct addr client; /* who it is: the peer, or whom a trusted peer speaks for */
	struct addr asked;  /* whom it asked, where a trusted peer said so; port 0: our socket's */
	struct buf in[2];   /* read from that side */
	struct buf out[2];  /* made by us, goes to that side before anything of the other's in */
	bool readable[2];
	bool held;    /* session_run is below us: it frees */
	bool counted; /* of its source: to be given back */
	bool shed;    /* came when there was no room: is told so, and ends */
	bool relayed; /* a splice was refused for good */
	bool shaking; /* waits for its turn in a handshake */
	struct session *shake_next, *shake_prev;
	uint64_t deadline_ms;
	struct pace pace;
	struct handover *handover;
	enum splice_reason splice_reason;
	uint32_t splice_tries;
	/* Monotonic, and only where somebody reads the log. */
	uint64_t began_us;        /* when the first byte of a request was there; 0: not known */
	uint64_t idle_from_us;    /* since when there was none */
	uint64_t handshake_us;    /* of TLS, until it was logged; while it lasts: when it began */
	uint64_t tunnel_until_ms; /* on the loop's clock; 0: any time */
	uint64_t tunnel_bytes[2]; /* read from that side as a tunnel */
	struct h1_parser requests, responses;
	struct exchange ex;
};

/* Handshakes share what time a turn of the loop may give them; those that wait, oldest first. */
struct handshake_turns {
	struct session *first, *last;
	const struct session *called; /* whose turn it is */
	uint64_t spent_ns;
	struct defer end; /* of the loop's turn */
	struct timer next;
};

struct proxy {
	struct proxy_options options;
	struct snapshot *snapshot;
	struct block_pool blocks;
	struct idle_pool *idle;
	struct access_log *log; /* NULL: none */
	struct access_notes notes;
	struct deed_ring deeds;
	struct request_ids ids;
	struct session *sessions; /* in use */
	struct session *spare;    /* session_store.c */
	uint32_t spare_count;
	struct rest_queue *resting; /* rest.c; by listener.index of the snapshot */
	struct timer look;          /* for those that have rested too long */
	uint64_t look_ms;           /* when it is due, if it is active */
	uint32_t session_count;     /* with those at rest */
	uint32_t handshakes;        /* sessions in SESSION_HANDSHAKE */
	struct handshake_turns turns;
	uint32_t forwarding; /* sessions in SESSION_FORWARDING */
	uint64_t next_id;
	uint64_t dealt; /* exchanges that were given an upstream */
	bool draining;
	bool patient; /* while draining: an idle session may have one more exchange */
	struct rosters *rosters;
	struct wait_lines *lines;
	uint64_t chance;              /* state of balance_mix() */
	struct message message;       /* scratch: a head while it is looked at */
	char path[HEAD_BYTES_MAX];    /* scratch: a normalised path */
	char texts[HEAD_BYTES_MAX];   /* scratch: what filters write */
	char cookies[HEAD_BYTES_MAX]; /* scratch: what exchange_remember() writes */
};

extern const char *const session_state_names[SESSION_STATES];

void session_enter(struct session *s, enum session_state next);
void session_run(struct session *s);   /* may free s */
void session_close(struct session *s); /* enters CLOSED; session_run frees */
/* The state's time is counted from now again. */
void session_progress(struct session *s);
void session_deadline(struct session *s, uint64_t after_ms);
void session_fail(struct session *s, enum end_reason why); /* no more use: cuts both sides */
enum conn_result session_read(struct session *s, enum side from);
bool session_flush(struct session *s, enum side to); /* false: the connection is gone */
void session_drop_server(struct session *s);
/* What was read from that side cannot be passed on, and not for want of room. */
bool session_is_stuck(const struct session *s, enum side from);
void session_listen(struct session *s, enum side side);
void session_on_timer(void *context);
void session_on_turn(void *context);

/* exchange.c: an exchange's course. Each step returns whether it got on. */
bool exchange_step(struct session *s);
void exchange_end(struct session *s);
void exchange_time_out(struct session *s);
/* What its route, listener or upstream says: exchange_limits.c. */
void exchange_limits_begin(struct session *s); /* the route is known */
uint64_t exchange_forwarding_ms(const struct session *s);
uint64_t exchange_idle_ms(const struct session *s);
uint64_t exchange_connect_ms(const struct session *s);
uint64_t exchange_until_ms(const struct session *s); /* UINT64_MAX: any time */
/* True: it has lasted as long as it may, and that is its end. */
bool exchange_is_overdue(struct session *s, uint64_t now_ms);

/* exchange_filters.c: what routes change. Lists for a writer, whose texts are in proxy->texts. */
struct asked exchange_asked(const struct session *s); /* without the subject */
struct rewrite_room exchange_texts(const struct session *s);
/* Sets how's fields, with the name of the request where the client is told. */
bool exchange_filter_response(struct session *s, struct filter_fields *fields, struct h1_sent *how);

/* exchange_head.c: requests. */
/* What is said of a request that goes to no upstream. */
enum end_reason exchange_refusal(enum decided kind);
void exchange_expect(struct session *s); /* a first head, from its first byte */
bool exchange_read_head(struct session *s);
/* Half a head, and no more of it in time. */
void exchange_refuse_late(struct session *s, enum end_reason why);

/* exchange_body.c */
/* A body on its way from one side's bytes to the other's, decoded and framed anew. */
struct body_copy {
	struct h1_body *body;
	struct buf *from, *to;
	uint64_t *bytes;           /* payload is added */
	enum body_framing framing; /* of what is written */
	bool *last;                /* the last chunk's line was written */
	enum h1_reject *reject;    /* set where the bytes are malformed */
	const struct scrub *scrub; /* of trailers; NULL: they are an endpoint's */
};
/* As far as there is room; *out_done: the body has ended. Whether anything moved. */
bool exchange_copy_body(struct session *s, const struct body_copy *copy, bool *out_done);

/* exchange_splice.c: bodies that the kernel carries. */
/* Bytes of a body from which on that is thought of. */
uint64_t exchange_splice_threshold(const struct route *route);
/* If the rest of the body from that side is worth it, and can be. */
void exchange_try_splice(struct session *s, enum side from);
/* What that side's socket still had of it was read, from this count of bytes on. */
void exchange_spliced_read(struct session *s, enum side from, uint64_t before);
/* Looks how far it has got. True: it has ended, or the session has. */
bool exchange_splice_step(struct session *s);
/* A body from that side is under way past its socket: that this has ended says nothing. */
bool exchange_waits_for_splice(const struct session *s, enum side from);
/* The endpoint has the whole request, but that is not known of the client's socket yet. */
bool exchange_is_settling(const struct session *s);
/* There is more of the answer than the client takes, here or in the kernel. */
bool exchange_is_full(const struct session *s);
/* Before its sockets are closed. */
void exchange_drop_splice(struct session *s);

/* exchange_reply.c */
/* Our own answer instead of the endpoint's; ends the exchange. Never after response_begun. */
void exchange_reply(struct session *s, uint16_t status, enum end_reason why);
/* The same, also where it is to become a tunnel: there is no endpoint for it. */
void exchange_refuse(struct session *s, uint16_t status, enum end_reason why);

/* exchange_log.c */
/* What its head (NULL: none that can be understood) says of it; an exchange has begun. */
void exchange_note(struct session *s, const struct message *msg);
void exchange_reached(const struct session *s, uint32_t *phase); /* of ex.times; once */
void exchange_log(struct session *s, const char *splice, const char *reason); /* it has ended */

/* exchange_deed.c: what is told of it by its name, on its way and when it has ended. */
void exchange_story_begin(struct exchange *ex);
void exchange_story_decided(struct exchange *ex, const struct decision *decision);
void exchange_story_entry(struct exchange *ex, const struct sni_route *entry);
void exchange_story_refused(struct exchange *ex, enum retry_refusal why);
/* Where that is noted down; NULL: nowhere. */
struct route_trace *exchange_story_losers(struct exchange *ex);
struct roster_unfit *exchange_story_unfit(struct exchange *ex);
/* Of the endpoint that was chosen last: it is asked; its answer has begun; what went wrong with it,
 * where nothing did before, and why no connection stood (of errno; 0: not known). */
void exchange_attempt_begin(struct session *s);
void exchange_attempt_answered(struct exchange *ex, uint16_t status);
void exchange_attempt_failed(struct exchange *ex, enum end_reason why, int error);
void exchange_attempt_again(struct exchange *ex); /* by another connection */
enum exchange_phase exchange_phase(const struct session *s);
void exchange_deed(struct session *s); /* it has ended */

/* exchange_upstream.c: connections and responses. */
bool exchange_connect(struct session *s); /* false: the exchange has been answered */
void exchange_connect_ready(struct session *s);
/* Goes on with another connection where that is safe, else answers with status or cuts. */
void exchange_server_lost(struct session *s, uint16_t status, enum end_reason why);
bool exchange_response_step(struct session *s);

/* exchange_place.c: whom it is with. */
enum roster_answer exchange_choose(struct session *s, const struct upstream *upstream);
/* What came of it, for the endpoint's standing: no answer, or one with that status. */
void exchange_failed(struct session *s);
void exchange_judge(struct session *s, uint16_t status);
/* It was reached, and of what follows in a tunnel nobody knows whether it is good. */
void exchange_judge_unseen(struct session *s);
/* A connection to its place: one more, which is counted until it is closed. */
void exchange_count_conn(struct session *s, struct conn *conn);
/* What idle connections to that place of its upstream must be like. */
uint64_t exchange_identity(const struct session *s, const struct endpoint *to);
/* An idle connection to the endpoint that was chosen; NULL: there is none, or none may be. */
struct conn *exchange_take_idle(struct session *s);
/* For struct roster_ask: whether one waits here; of a struct idle_ask. */
struct idle_ask {
	const struct idle_pool *idle;
	const struct snapshot *snapshot;
	const struct upstream *upstream;
	bool tunnels; /* see struct exchange */
};
bool exchange_has_idle(const void *idle_ask, uint32_t place);
/* The upstream, or the one that stands in for it now. */
const struct upstream *exchange_fail_over(struct session *s, const struct upstream *upstream);
/* Why none was chosen. */
enum end_reason exchange_nobody(const struct exchange *ex);
void exchange_leave(struct session *s);  /* the endpoint has one exchange less */
void exchange_forget(struct session *s); /* leaves, and the roster is given back */
/* What leads a request to an endpoint, and where it is noted down. */
struct recall {
	const struct snapshot *snapshot;
	const struct upstream *upstream;
	const struct addr *client;
	uint64_t secured_as; /* the client's TLS session; 0: none */
	uint64_t *chance;    /* goes on where a request has nothing to hash */
	struct exchange *ex;
};
struct recall exchange_recall_by(struct session *s, const struct upstream *upstream);
/* Sets ex->hash to what the upstream wants to hash of a request; msg is NULL where there is none.
 */
void exchange_hash(const struct recall *by, const struct message *msg, struct span path);

/* exchange_persist.c: cookies that name endpoints. */
/* Whom a request belongs to: its hash, and what such a cookie says, which is taken out. */
void exchange_recall(const struct recall *by, struct message *msg, struct span path);
/* Tells the client, beside fields, with a final response. */
void exchange_remember(struct session *s, struct message *msg, struct filter_fields *fields);
void exchange_count_kept(const struct session *s); /* an endpoint was chosen, the first time */

/* exchange_breaker.c: whether the upstream as a whole is asked. */
void exchange_enter(struct session *s);     /* with the first connection, or an answer of ours */
void exchange_connected(struct session *s); /* it has one */
enum exchange_result { RESULT_GOOD, RESULT_BAD, RESULT_CUT };
void exchange_note_result(struct session *s, enum exchange_result result);
void exchange_breaker_end(struct session *s);
/* At its turn in line: the breaker may have opened meanwhile, or want this one on trial. Streams
 * it never refuses, but whether they are well closes it. */
bool exchange_breaker_refuses(struct session *s);
uint64_t exchange_breaker_left_ms(const struct session *s);

/* exchange_quota.c: what its route takes of clients. */
/* True: it has been answered, as it is too long or one too many. */
bool exchange_quota_refuses(struct session *s, const struct message *msg);
/* True: the body has become longer than it may; it has been answered or cut. */
bool exchange_quota_ends_body(struct session *s);
void exchange_quota_leave(struct session *s);
struct quota_refusal {
	enum end_reason end;
	uint16_t status;
};
struct quota_refusal exchange_quota_refusal(enum quota_answer answer); /* not of QUOTA_PASS */

/* exchange_queue.c: waiting until there is room. */
void exchange_queue_init(struct proxy *proxy);
/* Others wait already: who comes now is behind them. */
bool exchange_must_queue(struct session *s);
/* Nobody was chosen, as all are full, and one may wait there. */
bool exchange_may_queue(const struct session *s);
/* With another endpoint, or in line for one. False: there is none. */
bool exchange_reconnect(struct session *s);
/* False: it has been answered, as too many wait. */
bool exchange_queue(struct session *s);
bool exchange_is_queued(const struct session *s);
void exchange_queue_quit(struct session *s); /* also where it does not wait */
/* False: it waited, but its client has gone; it has ended. */
bool exchange_queue_stays(struct session *s);
bool exchange_queue_wants_conn(const struct session *s); /* the one it has done with */
void exchange_queue_time_out(struct session *s);         /* it has waited as long as it may */

/* exchange_retry.c */
/* Goes on with another endpoint, now or later, where that is wanted, safe and within the budget. */
bool exchange_retry(struct session *s, enum retry_cause cause, uint16_t status);
void exchange_resume(struct session *s); /* its time has come */
/* Its endpoint has had its time to drain: goes on with another one, where that can be, or ends. */
void exchange_drained(struct session *s);
void exchange_placed(struct session *s); /* its endpoint is chosen, to be asked next */
/* The head is written: what is sent is kept, where it may be sent again. */
void exchange_hold(struct session *s, const struct message *msg);
void exchange_hold_no_longer(struct session *s); /* if there is more than is kept */

/* Begins a connection to one of the upstream's endpoints; false: none can be reached. */
bool session_connect(struct session *s, const struct upstream *upstream);

/* tunnel.c */
void tunnel_begin(struct session *s);
void tunnel_on_poll(void *context);
bool tunnel_step(struct session *s);
/* What its route or listener lets splices send. */
struct splice_rate tunnel_rate(const struct session *s);

/* The first step of the listener's protocol, once it is known who the client is. May close. */
void session_begin(struct session *s);
/* Between exchanges: goes on by the present snapshot. False: it has no such listener any more. */
bool session_renew(struct session *s);
/* The listener that took its place: what a client calls by the same address and port; or NULL. */
const struct listener *session_successor(const struct snapshot *snapshot,
					 const struct listener *old);

/* introduce.c: the PROXY protocol. */
bool introduce_read(struct session *s);
/* On a connection that is being made: the client's header goes first, where one is expected. */
void introduce_client(struct session *s, struct conn *conn, const struct upstream *upstream);

/* secure.c: TLS with clients and endpoints. */
/* Once the connection is accepted; false: it cannot be. */
bool secure_accept(struct session *s);
bool secure_handshake(struct session *s);
void secure_init(struct proxy *proxy);
void secure_fini(struct proxy *proxy);
/* s ends: it waits for no turn any more. */
void secure_forget(struct session *s);
/* On a connection that is being made; true where nothing is to be done. */
bool secure_connect(struct session *s, struct conn *conn, const struct upstream *upstream);
/* What idle connections to that upstream must be like. */
uint64_t secure_identity(const struct snapshot *snapshot, const struct upstream *upstream);

/* passthrough.c */
bool passthrough_hello(struct session *s);
/* It gets no endpoint. Says so to a client that waits for TLS. */
void passthrough_fail(struct session *s, enum end_reason why);
void passthrough_begin(struct session *s, const struct upstream *upstream);

/* 0 where nobody reads the log: then it is not worth the time to ask for the time. */
static inline uint64_t session_now_us(const struct session *s)
{
	return access_log_is_used(s->proxy->log) ? clock_ns(CLOCK_MONOTONIC) / 1000 : 0;
}

static inline struct stats *session_stats(const struct session *s)
{
	return s->proxy->options.stats;
}
