/* Probes against servers on loopback that say what the rows say. */
#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/upstream/health_stream.h"

struct server {
	int fd, type;
	const char *parts[3]; /* one after the other; NULL: it says nothing more */
	bool holds;           /* does not close until the test has ended */
	int held;
	pthread_t thread;
};

static void *serve(void *context)
{
	struct server *s = context;
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char got[512];

	if (s->type == SOCK_DGRAM) {
		if (recvfrom(s->fd, got, sizeof(got), 0, (struct sockaddr *)&from, &len) >= 0 &&
		    s->parts[0])
			sendto(s->fd, s->parts[0], strlen(s->parts[0]), 0, (struct sockaddr *)&from,
			       len);
		return NULL;
	}
	s->held = accept(s->fd, NULL, NULL);
	if (s->held < 0)
		return NULL;
	if (s->parts[0] && recv(s->held, got, sizeof(got), 0) <= 0)
		return NULL;
	for (int i = 0; i < 3 && s->parts[i]; i++)
		send(s->held, s->parts[i], strlen(s->parts[i]), MSG_NOSIGNAL);
	if (!s->holds)
		shutdown(s->held, SHUT_RDWR);
	return NULL;
}

static struct addr server_start(struct server *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	struct addr addr;

	s->held = -1;
	s->fd = socket(AF_INET, s->type, 0);
	CHECK_INT(bind(s->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	CHECK_INT(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
	if (s->type == SOCK_STREAM)
		CHECK_INT(listen(s->fd, 1), 0);
	CHECK(addr_from_sockaddr((struct sockaddr *)&at, &addr));
	CHECK_INT(pthread_create(&s->thread, NULL, serve, s), 0);
	return addr;
}

static void server_end(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
	if (s->held >= 0)
		close(s->held);
}

struct run {
	struct loop *loop;
	struct health_result result;
	int ends;
};

static void on_end(void *context, const struct health_result *result)
{
	struct run *run = context;

	run->result = *result;
	run->ends++;
	loop_stop(run->loop);
}

static struct run probe(const struct health *rules, const struct addr *to)
{
	struct health_way way = { .to = *to, .host = *to };
	struct run run = { .loop = loop_create() };
	struct health_streams *streams = health_streams_create(run.loop, 8);

	health_probe_begin(streams, rules, NULL, &way, true, on_end, &run);
	CHECK_INT(run.ends, 0); /* never before it has returned */
	loop_run(run.loop);
	health_streams_destroy(streams);
	loop_destroy(run.loop);
	CHECK_INT(run.ends, 1);
	return run;
}

static const struct health http = {
	.kind = HEALTH_HTTP,
	.method = "GET",
	.path = "/healthz",
	.statuses = { { 200, 299 }, { 304, 304 } },
	.status_count = 2,
	.timeout_ms = 10000,
};

TEST(an_answer_over_http_is_judged_by_its_status)
{
	static const struct {
		const char *name, *parts[3], *detail;
		enum health_layer layer;
		bool holds;
	} rows[] = {
		{ "200", { "HTTP/1.1 200 OK\r\n\r\n" }, "", HEALTH_OK },
		{ "a status without its text", { "HTTP/1.0 204\r\n\r\n" }, "", HEALTH_OK },
		{ "in parts", { "HTT", "P/1.1 30", "4 Not Modified\r\n\r\n" }, "", HEALTH_OK },
		{ "an open connection", { "HTTP/1.1 200 OK\r\n" }, "", HEALTH_OK, true },
		{ "500",
		  { "HTTP/1.1 500 Oops\r\n\r\n" },
		  "status 500 is not expected",
		  HEALTH_ANSWER },
		{ "beside the ranges",
		  { "HTTP/1.1 303 See Other\r\n" },
		  "status 303 is not expected",
		  HEALTH_ANSWER },
		{ "another protocol",
		  { "SSH-2.0-OpenSSH_9.9\r\n" },
		  "what answers is not HTTP",
		  HEALTH_ANSWER },
		{ "nothing", { "" }, "closed without an answer", HEALTH_ANSWER },
		{ "too little", { "HTTP/1.1" }, "closed without an answer", HEALTH_ANSWER },
	};

	FOR_ROWS (row, rows) {
		struct server server = { .type = SOCK_STREAM, .holds = row->holds };
		struct addr at;
		struct run run;

		memcpy(server.parts, row->parts, sizeof(server.parts));
		at = server_start(&server);
		run = probe(&http, &at);
		server_end(&server);
		CHECK_STR(run.result.detail, row->detail);
		CHECK_INT(run.result.layer, row->layer);
	}
}

TEST(a_body_is_read_as_far_as_it_must_be)
{
	static const char late[] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
	static const struct {
		const char *name, *parts[3], *detail;
		bool holds;
	} rows[] = {
		{ "it is there",
		  { "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n[alive!]" },
		  "",
		  true },
		{ "cut in the middle", { late, "xxali", "ve!x" }, "", true },
		{ "in chunks",
		  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		    "3\r\nali\r\n4;x=y\r\nve!x\r\n", "0\r\n\r\n" },
		  "",
		  true },
		{ "until the end", { "HTTP/1.0 200 OK\r\n\r\n", "alive", "!" }, "" },
		{ "behind an early hint",
		  { "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\nalive!" },
		  "" },
		{ "chunks hide it from a plain search",
		  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		    "3\r\nali\r\n3\r\nvex\r\n0\r\n\r\n" },
		  "the body of its answer does not contain what is expected",
		  true },
		{ "in the head only",
		  { "HTTP/1.1 200 alive!\r\nX: alive!\r\nContent-Length: 2\r\n\r\nno" },
		  "the body of its answer does not contain what is expected",
		  true },
		{ "behind the body's end",
		  { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nnoalive!" },
		  "the body of its answer does not contain what is expected",
		  true },
		{ "no body",
		  { "HTTP/1.1 204 No Content\r\n\r\nalive!" },
		  "the body of its answer does not contain what is expected",
		  true },
		{ "the status goes first",
		  { "HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\nalive!" },
		  "status 500 is not expected",
		  true },
		{ "a broken frame",
		  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nalive!" },
		  "the body of its answer is not framed as it should be",
		  true },
		{ "half a head", { "HTTP/1.1 200 OK\r\nX: " }, "closed without an answer" },
		{ "two lengths",
		  { "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Length: 7\r\n\r\nalive!" },
		  "what answers is not HTTP",
		  true },
	};
	struct health rules = http;

	rules.body = SPAN("alive!");
	FOR_ROWS (row, rows) {
		struct server server = { .type = SOCK_STREAM, .holds = row->holds };
		struct addr at;
		struct run run;

		memcpy(server.parts, row->parts, sizeof(server.parts));
		at = server_start(&server);
		run = probe(&rules, &at);
		server_end(&server);
		CHECK_STR(run.result.detail, row->detail);
		CHECK_INT(run.result.layer, *row->detail ? HEALTH_ANSWER : HEALTH_OK);
	}
}

TEST(who_accepts_and_says_nothing_does_not_answer)
{
	struct server server = { .type = SOCK_STREAM, .holds = true };
	struct addr at = server_start(&server);
	struct health hasty = http;
	struct run run;

	hasty.timeout_ms = 30;
	run = probe(&hasty, &at);
	server_end(&server);
	CHECK_STR(run.result.detail, "no answer within 30 ms");
	CHECK_INT(run.result.layer, HEALTH_ANSWER);
}

TEST(a_port_that_is_closed_is_named)
{
	static const struct {
		const char *name;
		struct health rules;
		int type;
	} rows[] = {
		{ "TCP", { .kind = HEALTH_TCP, .timeout_ms = 10000 }, SOCK_STREAM },
		{ "HTTP",
		  { .kind = HEALTH_HTTP, .method = "GET", .path = "/", .timeout_ms = 10000 },
		  SOCK_STREAM },
		{ "UDP",
		  { .kind = HEALTH_UDP, .send = { "ping", 4 }, .timeout_ms = 10000 },
		  SOCK_DGRAM },
	};

	FOR_ROWS (row, rows) {
		struct server server = { .type = row->type };
		struct addr at = server_start(&server);
		struct run run;

		server_end(&server); /* nobody has its port now */
		run = probe(&row->rules, &at);
		CHECK_STR(run.result.detail, "connection refused");
		CHECK_INT(run.result.layer, HEALTH_PORT);
	}
}

TEST(a_connection_is_enough_for_tcp)
{
	static const struct health rules = { .kind = HEALTH_TCP, .timeout_ms = 10000 };
	struct server server = { .type = SOCK_STREAM };
	struct addr at = server_start(&server);
	struct run run = probe(&rules, &at);

	server_end(&server);
	CHECK_INT(run.result.layer, HEALTH_OK);
	CHECK_STR(run.result.detail, "");
}

TEST(a_datagram_is_answered_by_what_is_expected)
{
	static const struct {
		const char *name, *answer, *expect;
		enum health_layer layer;
	} rows[] = {
		{ "the same", "pong", "pong", HEALTH_OK },
		{ "it contains it", "xx pong xx", "pong", HEALTH_OK },
		{ "anything will do", "what?", "", HEALTH_OK },
		{ "something else", "pin", "pong", HEALTH_ANSWER },
	};

	FOR_ROWS (row, rows) {
		struct health rules = { .kind = HEALTH_UDP,
					.send = { "ping", 4 },
					.answer = span_of(row->expect),
					.timeout_ms = 10000 };
		struct server server = { .type = SOCK_DGRAM, .parts = { row->answer } };
		struct addr at = server_start(&server);
		struct run run = probe(&rules, &at);

		server_end(&server);
		CHECK_INT(run.result.layer, row->layer);
	}
}

TEST(a_probe_that_is_cancelled_says_nothing)
{
	struct server server = { .type = SOCK_STREAM, .holds = true };
	struct addr at = server_start(&server);
	struct health_way way = { .to = at, .host = at };
	struct run run = { .loop = loop_create() };
	struct health_streams *streams = health_streams_create(run.loop, 8);

	health_probe_cancel(health_probe_begin(streams, &http, NULL, &way, true, on_end, &run));
	health_probe_cancel(NULL);
	health_streams_destroy(streams);
	loop_destroy(run.loop);
	CHECK_INT(run.ends, 0);
	server_end(&server);
}
