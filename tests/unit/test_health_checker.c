/* Checks go on whatever happens to the snapshots that they are for. */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/upstream/health_checker.h"

enum { TIMEOUT_MS = 400, CHANGE_MS = 20, PATIENCE_MS = 20000 };

/* The same configuration made again and again, as names change. */
struct changing {
	struct loop *loop;
	struct health_checker *checker;
	struct timer change, patience;
	uint16_t port;
	bool down;
	uint64_t number;
};

static struct snapshot *next_snapshot(struct changing *c)
{
	struct findings findings = { 0 };
	struct model *model;
	char text[512];

	/* Another endpoint each time, before the one that stays. */
	snprintf(text, sizeof(text),
		 "upstreams: { u: { health: { http: /, timeout: %dms, interval: 1s, "
		 "fall: 1 }, endpoints: [ { address: \"127.0.0.1:%u\", weight: %u }, "
		 "{ address: \"127.0.0.1:%u\" } ] } }\n",
		 TIMEOUT_MS, 1 + (unsigned)(c->number % 2), 1 + (unsigned)(c->number % 3), c->port);
	model = model_load_text("f", text, strlen(text), &findings);
	CHECK_STR(findings.count ? findings.list[0].text : "", "");
	return snapshot_create(model, ++c->number);
}

static void follow(struct changing *c)
{
	struct snapshot *next = next_snapshot(c);

	health_checker_follow(c->checker, next);
	snapshot_unref(next);
}

static void on_change(void *context)
{
	struct changing *c = context;

	follow(c);
	timer_start(&c->change, CHANGE_MS);
}

static void on_patience(void *context)
{
	loop_stop(((struct changing *)context)->loop);
}

static bool find_way(void *context, const struct upstream *u, const struct endpoint *e,
		     struct health_way *out_way, struct err *err)
{
	(void)context, (void)u, (void)err;
	*out_way = (struct health_way){ .to = e->address, .host = e->host };
	return true;
}

static void on_result(void *context, const struct upstream *u, const struct endpoint *e,
		      const struct health_state *state)
{
	struct changing *c = context;

	(void)u;
	if (ntohs(e->address.port) != c->port)
		return;
	c->down = state->down;
	CHECK_STR(state->last.detail, "no answer within 400 ms");
	loop_stop(c->loop);
}

/* Before anybody has the next snapshot. */
static bool is_known_to_be_down(struct changing *c)
{
	struct snapshot *next = next_snapshot(c);
	const struct upstream *u = &next->model->upstreams[0];
	const struct health_state *state = health_checker_recall(c->checker, u, &u->endpoints[1]);
	bool down = state && state->down;

	snapshot_unref(next);
	return down;
}

TEST(who_is_silent_is_found_out_even_where_names_change_all_the_time)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct changing c = { .loop = loop_create() };
	struct health_hooks hooks = { find_way, on_result, &c };
	socklen_t len = sizeof(at);

	CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	CHECK_INT(listen(fd, 100), 0); /* the kernel accepts, nobody answers */
	CHECK_INT(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	c.port = ntohs(at.sin_port);
	c.checker = health_checker_create(c.loop, &hooks, 1);
	timer_init(&c.change, c.loop, on_change, &c);
	timer_init(&c.patience, c.loop, on_patience, &c);
	timer_start(&c.patience, PATIENCE_MS);
	on_change(&c);
	CHECK(!is_known_to_be_down(&c));
	loop_run(c.loop);
	CHECK(c.down);
	CHECK(is_known_to_be_down(&c));
	timer_stop(&c.change);
	timer_stop(&c.patience);
	health_checker_destroy(c.checker);
	loop_destroy(c.loop);
	close(fd);
}

enum { SILENT = 400, QUICK = 64 };

struct crowd {
	struct loop *loop;
	struct timer patience;
	uint32_t quick, silent; /* of which something is known */
};

static void on_crowd_patience(void *context)
{
	loop_stop(((struct crowd *)context)->loop);
}

static void on_crowd_result(void *context, const struct upstream *u, const struct endpoint *e,
			    const struct health_state *state)
{
	struct crowd *c = context;

	(void)e;
	if (strcmp(u->name, "silent") == 0) {
		c->silent++;
		return;
	}
	CHECK_STR(state->last.detail, "");
	if (++c->quick == QUICK)
		loop_stop(c->loop);
}

static size_t write_endpoints(char *text, size_t room, const char *head, int net, int count,
			      uint16_t port)
{
	size_t at = (size_t)snprintf(text, room, "%s, endpoints: [", head);

	for (int i = 0; i < count; i++)
		at += (size_t)snprintf(text + at, room - at, " { address: \"127.0.%d.%d:%u\" },",
				       net + i / 200, 1 + i % 200, port);
	return at + (size_t)snprintf(text + at, room - at, " ] }\n");
}

static struct snapshot *crowd_snapshot(uint16_t port)
{
	static char text[65536] = "upstreams:\n";
	struct findings findings = { 0 };
	size_t at = strlen(text);
	struct model *model;

	at += write_endpoints(text + at, sizeof(text) - at,
			      "  silent: { health: { http: /, interval: 60s, timeout: 60s }", 10,
			      SILENT, port);
	write_endpoints(text + at, sizeof(text) - at,
			"  quick: { health: { tcp: true, interval: 60s }", 20, QUICK, port);
	model = model_load_text("f", text, strlen(text), &findings);
	CHECK_STR(findings.count ? findings.list[0].text : "", "");
	return snapshot_create(model, 1);
}

/* More of them than may begin at once: the others would wait for their time-outs, a minute. */
TEST(those_who_are_silent_hold_up_nobody)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct crowd c = { .loop = loop_create() };
	struct health_hooks hooks = { find_way, on_crowd_result, &c };
	socklen_t len = sizeof(at);
	struct health_checker *checker;
	struct snapshot *snapshot;

	CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	CHECK_INT(listen(fd, 2 * SILENT), 0); /* the kernel accepts, nobody answers */
	CHECK_INT(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	snapshot = crowd_snapshot(ntohs(at.sin_port));
	checker = health_checker_create(c.loop, &hooks, 1);
	health_checker_follow(checker, snapshot);
	snapshot_unref(snapshot);
	timer_init(&c.patience, c.loop, on_crowd_patience, &c);
	timer_start(&c.patience, PATIENCE_MS);
	loop_run(c.loop);
	CHECK_INT(c.quick, QUICK);
	CHECK_INT(c.silent, 0);
	timer_stop(&c.patience);
	health_checker_destroy(checker);
	loop_destroy(c.loop);
	close(fd);
}
