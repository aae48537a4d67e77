/*
 * body_client - keep-alive connections with random mixtures of small and large bodies both ways.
 *
 *   body_client [-c CONNECTIONS] [-r REQUESTS] [-s SEED] [-l LARGEST] [-t STALL_S] [-w WITHIN]
 *               [-z] [-e] ADDRESS PORT HOST...
 *
 * A thread a connection; its requests alternate between the hosts. Every third connection finishes
 * its side behind the last request. -w: each begins so near before sequence number 2^32; -z: now
 * and then an end reads nothing for a while; -e: also says what each connection took. Prints one
 * line of JSON; where nothing came for STALL_S, "stall ..." at once, and then keeps its sockets
 * until it is killed.
 */
#include "tests/traffic/body.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "tests/traffic/body_wrap.h"

enum { STACK = 256 << 10, SMALL = 2000, BEHIND = 100, PAUSE_US = 1000000, HOSTS_MAX = 8 };

enum kind { KIND_SMALL, KIND_DOWN, KIND_UP, KIND_BEHIND, KINDS };

static struct {
	long connections, requests, largest, stall_s, within;
	uint64_t seed;
	bool pauses, each;
	struct sockaddr_storage to;
	socklen_t to_len;
	const char *hosts[HOSTS_MAX];
	long host_count;
} options = { .connections = 10, .requests = 20, .largest = 1 << 20, .stall_s = 30 };

static pthread_mutex_t mouth = PTHREAD_MUTEX_INITIALIZER;
static _Atomic long bad, good;
static _Atomic uint64_t bytes;
static uint32_t *small_us, *each_us; /* each: of a connection, 0 where it failed */
static _Atomic long small_count;

struct user {
	long number;
	uint64_t random;
	struct stream s;
	uint16_t port;
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static uint64_t dice(struct user *u, uint64_t below)
{
	return body_mix(u->random += 0x9e3779b97f4a7c15ull) % below;
}

/* What went wrong; a stall is kept as it is. */
static bool complain(const struct user *u, long request, const char *what, uint64_t got,
		     uint64_t of)
{
	bool stalled = errno == EAGAIN;

	pthread_mutex_lock(&mouth);
	if (atomic_fetch_add(&bad, 1) == 0 || stalled)
		printf("%s: connection %ld (port %u), request %ld, %s: %lu of %lu, %s\n",
		       stalled ? "stall" : "bad", u->number, u->port, request, what, got, of,
		       strerror(errno));
	fflush(stdout);
	while (stalled)
		pause();
	pthread_mutex_unlock(&mouth);
	return false;
}

static const char *host_of(const struct user *u, long request)
{
	return options.hosts[(u->number + request) % options.host_count];
}

static bool ask(struct user *u, const char *method, const char *what, uint64_t seed, uint64_t n,
		const char *host)
{
	char head[512];
	int len = snprintf(head, sizeof(head), "%s /%s/%lu/%lu HTTP/1.1\r\nHost: %s\r\n", method,
			   what, seed, n, host);

	if (method[0] == 'P')
		len += sprintf(head + len, "Content-Length: %lu\r\n", n);
	len += sprintf(head + len, "\r\n");
	return send_all(u->s.fd, head, (size_t)len);
}

/* The length of the body that follows; -1 where the answer is none, or no 200. */
static long answer_head(struct user *u)
{
	char line[LINE];
	long length = -1;

	if (!stream_line(&u->s, line))
		return -1;
	if (strncmp(line, "HTTP/1.1 200", 12) != 0) {
		printf("connection %ld (port %u): %.60s\n", u->number, u->port, line);
		return -1;
	}
	while (stream_line(&u->s, line)) {
		if (!line[0])
			return length;
		if (strncasecmp(line, "content-length:", 15) == 0)
			length = atol(line + 15);
	}
	return -1;
}

static bool expect_body(struct user *u, long request, uint64_t seed, uint64_t n, bool pause)
{
	long length;
	uint64_t got;

	errno = 0;
	length = answer_head(u);
	if (length != (long)n)
		return complain(u, request, "length of the answer", (uint64_t)length, n);
	if (pause)
		usleep(PAUSE_US);
	errno = 0;
	got = stream_body(&u->s, seed, n);
	bytes += got;
	return got == n || complain(u, request, "bytes down", got, n);
}

static bool expect_count(struct user *u, long request, uint64_t n)
{
	char text[32] = "";
	long length;

	errno = 0;
	length = answer_head(u);
	for (long i = 0; i < length && i < (long)sizeof(text) - 1; i++) {
		if (u->s.at == u->s.end && !stream_more(&u->s))
			break;
		text[i] = u->s.buf[u->s.at++];
	}
	bytes += n;
	return (length > 0 && strtoul(text, NULL, 10) == n) ||
	       complain(u, request, "bytes up", strtoul(text, NULL, 10), n);
}

static bool up(struct user *u, long request, uint64_t seed, uint64_t n, bool pause)
{
	if (!ask(u, "POST", pause ? "pause" : "pattern", seed, n, host_of(u, request)) ||
	    !send_body(u->s.fd, seed, n))
		return complain(u, request, "sending up", 0, n);
	/* The next one comes while the body may still be on its way. */
	if (!ask(u, "GET", "pattern", seed + 1, BEHIND, host_of(u, request + 1)))
		return complain(u, request, "asking behind", 0, n);
	return expect_count(u, request, n) && expect_body(u, request, seed + 1, BEHIND, false);
}

static bool one(struct user *u, long request, bool last)
{
	enum kind kind = (enum kind)dice(u, KINDS);
	uint64_t seed = dice(u, 1u << 30), began = now_us();
	uint64_t n = 1 + dice(u, kind == KIND_SMALL ? SMALL : (uint64_t)options.largest);
	bool pause = options.pauses && kind != KIND_SMALL && dice(u, 4) == 0;

	if (kind == KIND_UP)
		return up(u, request, seed, n, pause);
	errno = 0;
	if (!ask(u, "GET", "pattern", seed, n, host_of(u, request)) ||
	    (kind == KIND_BEHIND &&
	     !ask(u, "GET", "pattern", seed + 1, BEHIND, host_of(u, request + 1))))
		return complain(u, request, "asking", 0, n);
	if (last && u->number % 3 == 0)
		shutdown(u->s.fd, SHUT_WR);
	if (!expect_body(u, request, seed, n, pause) ||
	    (kind == KIND_BEHIND && !expect_body(u, request, seed + 1, BEHIND, false)))
		return false;
	if (kind == KIND_SMALL)
		small_us[small_count++] = (uint32_t)(now_us() - began);
	return true;
}

static int connect_to(struct user *u)
{
	struct timeval patience = { .tv_sec = options.stall_s };
	struct sockaddr_in6 own = { 0 };
	socklen_t len = sizeof(own);
	int on = 1, fd = socket(options.to.ss_family, SOCK_STREAM, 0);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (options.within)
		body_begin_at(fd, 0u - (uint32_t)dice(u, (uint64_t)options.within) - 1);
	if (connect(fd, (struct sockaddr *)&options.to, options.to_len)) {
		close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	getsockname(fd, (struct sockaddr *)&own, &len);
	u->port = ntohs(own.sin6_port);
	return fd;
}

static void *run(void *context)
{
	struct user *u = context;
	uint64_t began = now_us();

	u->s.fd = connect_to(u);
	if (u->s.fd < 0) {
		complain(u, 0, "connect", 0, 0);
		return NULL;
	}
	for (long i = 0; i < options.requests; i++) {
		if (!one(u, i, i + 1 == options.requests))
			return NULL;
	}
	good++;
	each_us[u->number] = (uint32_t)(now_us() - began);
	close(u->s.fd);
	free(u);
	return NULL;
}

static int compare(const void *x, const void *y)
{
	return (*(const uint32_t *)x > *(const uint32_t *)y) -
	       (*(const uint32_t *)x < *(const uint32_t *)y);
}

static double small_ms(double share)
{
	return small_count ? small_us[(long)(share * (double)(small_count - 1))] / 1000.0 : 0;
}

static void options_take(int argc, char **argv)
{
	for (int c; (c = getopt(argc, argv, "c:r:s:l:t:w:ze")) != -1;) {
		long value = optarg ? atol(optarg) : 0;

		*(c == 'c'   ? &options.connections
		  : c == 'r' ? &options.requests
		  : c == 'l' ? &options.largest
		  : c == 't' ? &options.stall_s
		  : c == 'w' ? &options.within
			     : &(long){ 0 }) = value;
		if (c == 's')
			options.seed = (uint64_t)value;
		options.pauses |= c == 'z';
		options.each |= c == 'e';
	}
	if (argc - optind < 3 ||
	    !body_address(argv[optind], atoi(argv[optind + 1]), &options.to, &options.to_len))
		exit(2);
	for (int i = optind + 2; i < argc && options.host_count < HOSTS_MAX; i++)
		options.hosts[options.host_count++] = argv[i];
}

int main(int argc, char **argv)
{
	uint64_t began = now_us();
	pthread_t *threads;
	pthread_attr_t attr;

	options_take(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	threads = calloc((size_t)options.connections, sizeof(*threads));
	each_us = calloc((size_t)options.connections, sizeof(*each_us));
	small_us = calloc((size_t)(options.connections * options.requests), sizeof(*small_us));
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	for (long i = 0; i < options.connections; i++) {
		struct user *u = calloc(1, sizeof(*u));

		u->number = i;
		u->random = options.seed * 1000003 + (uint64_t)i;
		if (pthread_create(&threads[i], &attr, run, u))
			abort();
	}
	for (long i = 0; i < options.connections; i++)
		pthread_join(threads[i], NULL);
	qsort(small_us, (size_t)small_count, sizeof(*small_us), compare);
	printf("{\"ok\": %ld, \"bad\": %ld, \"bytes\": %lu, \"seconds\": %.2f, \"small\": %ld, "
	       "\"p50\": %.2f, \"p99\": %.2f, \"p999\": %.2f, \"max\": %.2f",
	       good, bad, bytes, (double)(now_us() - began) / 1e6, small_count, small_ms(0.5),
	       small_ms(0.99), small_ms(0.999), small_ms(1));
	for (long i = 0; options.each && i < options.connections; i++)
		printf("%s%.2f", i ? ", " : ", \"each\": [", each_us[i] / 1000.0);
	puts(options.each ? "]}" : "}");
	return bad != 0;
}
