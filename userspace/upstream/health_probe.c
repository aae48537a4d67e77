#include "userspace/upstream/health_probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "userspace/base/must.h"
#include "userspace/upstream/health_exchange.h"
#include "userspace/upstream/health_socket.h"
#include "userspace/upstream/health_stream.h"

enum { ECHO_MS_MAX = 1000, ANSWER_MAX = 2048 };

struct health_probe {
	struct health_streams *streams;
	struct loop *loop;
	const struct health *rules;
	struct health_way way;
	bool wants_full;
	void (*on_end)(void *context, const struct health_result *result);
	void *context;
	enum health_step step;
	struct health_stream *stream; /* what the configuration asks for, but for UDP */
	int fd;                       /* of all else, with its watch */
	struct watch watch;
	bool connected; /* of a stream: TCP stands */
	uint16_t id;    /* of echo requests */
	struct timer deadline;
	struct defer begin;
	uint64_t began_ms;
	char detail[HEALTH_DETAIL_MAX];   /* of the main step */
	const struct tls_client *tls;     /* NULL: plain */
	struct health_exchange *exchange; /* NULL: nothing is said yet */
};

static void step_enter(struct health_probe *p, enum health_step step);

/* More than whether a connection can be made. */
static bool is_asked(const struct health_probe *p)
{
	return p->rules->kind == HEALTH_HTTP || p->tls;
}

static void close_stream(struct health_probe *p, bool fit)
{
	bool plain = !p->tls;

	health_exchange_destroy(p->exchange);
	p->exchange = NULL;
	if (p->stream)
		health_stream_close(p->stream, fit && plain  ? HEALTH_ENDS_AGAIN
					       : is_asked(p) ? HEALTH_ENDS
							     : HEALTH_ENDS_RESET);
	p->stream = NULL;
}

static void close_socket(struct health_probe *p, bool fit)
{
	close_stream(p, fit);
	if (p->fd < 0)
		return;
	watch_fini(&p->watch);
	close(p->fd);
	p->fd = -1;
}

void health_probe_cancel(struct health_probe *p)
{
	if (!p)
		return;
	close_socket(p, false);
	timer_stop(&p->deadline);
	loop_defer_cancel(p->loop, &p->begin);
	free(p);
}

void health_probe_pass_on(struct health_probe *p, void *context)
{
	p->context = context;
}

static void explain(const struct health_probe *p, struct health_result *result)
{
	static const char *const clauses[HEALTH_LAYERS] = {
		[HEALTH_OK] = "",
		[HEALTH_HOST] = "neither it nor its host answers",
		[HEALTH_TUNNEL] = "its host answers, but not the vip behind it",
		[HEALTH_PORT] = "it answers echo requests, but not on its port",
		[HEALTH_ANSWER] = "it answers echo requests, but not what was asked",
	};

	if (result->layer == HEALTH_MTU)
		snprintf(result->detail, sizeof(result->detail),
			 "packets of %u bytes do not come through, small ones do", p->way.mtu);
	else
		snprintf(result->detail, sizeof(result->detail), "%s",
			 p->detail[0] ? p->detail : clauses[result->layer]);
}

static void end(struct health_probe *p, enum health_layer layer)
{
	void (*on_end)(void *, const struct health_result *) = p->on_end;
	void *context = p->context;
	struct health_result result = { .layer = layer };

	/* Nobody refuses a datagram that is only not understood. */
	if (layer == HEALTH_PORT && p->rules->kind == HEALTH_UDP && !p->detail[0])
		result.layer = HEALTH_ANSWER;
	explain(p, &result);
	result.took_ms = (uint32_t)(loop_now_ms(p->loop) - p->began_ms);
	health_probe_cancel(p);
	on_end(context, &result);
}

static void step_leave(struct health_probe *p, enum health_outcome outcome)
{
	enum health_layer layer = HEALTH_OK;
	enum health_step next =
		health_step_after(p->step, outcome, p->way.tunnel, p->wants_full, &layer);

	close_socket(p, outcome == HEALTH_ANSWERED);
	timer_stop(&p->deadline);
	if (next == HEALTH_STEP_DONE)
		end(p, layer);
	else
		step_enter(p, next);
}

static void say(struct health_probe *p, const char *what)
{
	snprintf(p->detail, sizeof(p->detail), "%.*s", HEALTH_DETAIL_MAX - 1, what);
}

static void on_socket_error(struct health_probe *p, int error)
{
	bool refused = error == ECONNREFUSED || error == ECONNRESET || error == EPIPE;

	if (p->step != HEALTH_STEP_MAIN || (!refused && !p->connected)) {
		step_leave(p, HEALTH_SILENT);
		return;
	}
	say(p, error == ECONNREFUSED ? "connection refused" : "the connection broke");
	step_leave(p, p->connected ? HEALTH_WRONG : HEALTH_REFUSED);
}

/* --- what the configuration asks for ------------------------------------------------------- */

static void go_on(struct health_probe *p)
{
	switch (health_exchange_go(p->exchange, p->detail)) {
	case HEALTH_WANTS_READ:
	case HEALTH_WANTS_WRITE:
		break; /* told when it can */
	case HEALTH_GOOD:
		step_leave(p, HEALTH_ANSWERED);
		break;
	default:
		step_leave(p, HEALTH_WRONG);
	}
}

static void on_connected(struct health_probe *p)
{
	p->connected = true;
	if (!is_asked(p)) {
		step_leave(p, HEALTH_ANSWERED);
		return;
	}
	p->exchange =
		health_exchange_create(p->rules, p->tls, &p->way.to, health_stream_fd(p->stream));
	go_on(p);
}

static void on_stream(void *context, bool failed)
{
	struct health_probe *p = context;
	int error = failed && !p->connected ? health_stream_error(p->stream) : 0;

	if (error)
		on_socket_error(p, error);
	else if (!p->connected)
		on_connected(p);
	else
		go_on(p);
}

static void read_datagram(struct health_probe *p)
{
	struct span want = p->rules->answer;
	char answer[ANSWER_MAX];
	ssize_t got = recv(p->fd, answer, sizeof(answer), 0);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got < 0) {
		on_socket_error(p, errno);
	} else if (!want.len || memmem(answer, (size_t)got, want.at, want.len)) {
		step_leave(p, HEALTH_ANSWERED);
	} else {
		say(p, "the answer does not contain what is expected");
		step_leave(p, HEALTH_WRONG);
	}
}

static void on_ready(void *context, int events)
{
	struct health_probe *p = context;

	(void)events;
	if (p->step != HEALTH_STEP_MAIN) {
		const struct addr *peer = p->step == HEALTH_STEP_OUTER ? &p->way.host : &p->way.to;

		if (health_echo_heard(p->fd, addr_is_v4(peer), p->id))
			step_leave(p, HEALTH_ANSWERED);
	} else {
		read_datagram(p);
	}
}

static void on_deadline(void *context)
{
	struct health_probe *p = context;

	if (p->step == HEALTH_STEP_MAIN && p->connected) {
		snprintf(p->detail, sizeof(p->detail), "no answer within %u ms",
			 p->rules->timeout_ms);
		step_leave(p, HEALTH_WRONG);
		return;
	}
	step_leave(p, HEALTH_SILENT);
}

/* --- steps --------------------------------------------------------------------------------- */

static bool open_datagram(struct health_probe *p, struct err *err)
{
	p->fd = health_socket_open(&p->way, SOCK_DGRAM, err);
	/* A failure to send is heard by the watch, or as silence. */
	if (p->fd >= 0)
		(void)!send(p->fd, p->rules->send.at, p->rules->send.len, 0);
	return p->fd >= 0;
}

static bool open_stream(struct health_probe *p, struct err *err)
{
	p->stream = health_stream_open(p->streams, &p->way, on_stream, p, err);
	return p->stream;
}

static bool open_echo(struct health_probe *p, struct err *err)
{
	uint32_t full = p->way.mtu < HEALTH_ECHO_MAX ? p->way.mtu : HEALTH_ECHO_MAX;
	bool is_full = p->step == HEALTH_STEP_FULL;

	p->id++;
	p->fd = health_echo_open(&p->way, p->step == HEALTH_STEP_OUTER,
				 is_full ? full : HEALTH_ECHO_SMALL + 40, p->id, err);
	return p->fd >= 0;
}

static bool open_step(struct health_probe *p, struct err *err)
{
	if (p->step != HEALTH_STEP_MAIN)
		return open_echo(p, err);
	return p->rules->kind == HEALTH_UDP ? open_datagram(p, err) : open_stream(p, err);
}

static void step_enter(struct health_probe *p, enum health_step step)
{
	bool is_main = step == HEALTH_STEP_MAIN;
	uint32_t timeout_ms = p->rules->timeout_ms;
	struct err err;

	p->step = step;
	if (!open_step(p, &err)) {
		if (is_main)
			say(p, err.text);
		step_leave(p, HEALTH_SILENT);
		return;
	}
	if (!is_main && timeout_ms > ECHO_MS_MAX)
		timeout_ms = ECHO_MS_MAX;
	if (p->fd >= 0) {
		watch_init(&p->watch, p->loop, p->fd, on_ready, p);
		watch_set(&p->watch, WATCH_READ);
	}
	timer_start(&p->deadline, timeout_ms);
}

static void on_begin(void *context)
{
	step_enter(context, HEALTH_STEP_MAIN);
}

struct health_probe *
health_probe_begin(struct health_streams *streams, const struct health *rules,
		   const struct tls_client *tls, const struct health_way *way, bool wants_full,
		   void (*on_end)(void *context, const struct health_result *result), void *context)
{
	static uint16_t ids;
	struct loop *loop = health_streams_loop(streams);
	struct health_probe *p = must_alloc(sizeof(*p));

	p->streams = streams;
	p->loop = loop;
	p->rules = rules;
	p->tls = tls;
	p->way = *way;
	p->wants_full = wants_full;
	p->on_end = on_end;
	p->context = context;
	p->fd = -1;
	p->id = ids += 8; /* its steps each have one of their own */
	p->began_ms = loop_now_ms(loop);
	timer_init(&p->deadline, loop, on_deadline, p);
	p->begin = (struct defer){ .on_defer = on_begin, .context = p };
	loop_defer(loop, &p->begin); /* so that no end comes before the beginning returns */
	return p;
}
