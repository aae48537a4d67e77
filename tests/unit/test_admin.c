#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/control/admin.h"
#include "userspace/control/admin_request.h"

struct fixture {
	char dir[64], path[96];
	struct loop *loop;
	struct admin *admin;
	int fd;
	char answer[4096];
	size_t len;
	struct watch watch;
	struct timer limit;
};

static char *on_get(void *context, struct span path)
{
	(void)context;
	return span_is(path, SPAN("/status")) ? strdup("{\"sessions\": 7}") : NULL;
}

static char *on_post(void *context, const struct admin_request *request, uint32_t *out_status)
{
	char *text = NULL;

	(void)context;
	if (!span_is(request->path, SPAN("/echo")))
		return NULL;
	*out_status = span_is(request->query, SPAN("bad")) ? 400 : 200;
	CHECK(asprintf(&text, "{\"bytes\": %zu, \"last\": \"%c\"}", request->body.len,
		       request->body.len ? request->body.at[request->body.len - 1] : '-') > 0);
	return text;
}

static const struct admin_hooks hooks = { on_get, on_post, NULL };

static void setup(struct fixture *f)
{
	struct err err;

	memset(f, 0, sizeof(*f));
	f->fd = -1;
	strcpy(f->dir, "/tmp/test_admin.XXXXXX");
	CHECK(mkdtemp(f->dir) != NULL);
	snprintf(f->path, sizeof(f->path), "%s/admin.sock", f->dir);
	f->loop = loop_create();
	f->admin = admin_create(f->loop, f->path, &hooks, &err);
	if (!f->admin)
		test_fail(__FILE__, __LINE__, "%s", err.text);
}

static void teardown(struct fixture *f)
{
	admin_destroy(f->admin);
	loop_destroy(f->loop);
	unlink(f->path);
	rmdir(f->dir);
}

static void on_answer(void *context, int events)
{
	struct fixture *f = context;
	ssize_t n = read(f->fd, f->answer + f->len, sizeof(f->answer) - 1 - f->len);

	(void)events;
	if (n > 0)
		f->len += (size_t)n;
	else
		loop_stop(f->loop);
}

static void on_limit(void *context)
{
	test_fail(__FILE__, __LINE__, "no answer in %d s", 90);
	(void)context;
}

static int connect_to(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(at.sun_path, path);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void ask(struct fixture *f, const char *request)
{
	f->fd = connect_to(f->path);
	CHECK(f->fd >= 0);
	CHECK_INT(write(f->fd, request, strlen(request)), (ssize_t)strlen(request));
	watch_init(&f->watch, f->loop, f->fd, on_answer, f);
	watch_set(&f->watch, WATCH_READ);
	timer_init(&f->limit, f->loop, on_limit, f);
	timer_start(&f->limit, 90000);
	loop_run(f->loop);
	timer_stop(&f->limit);
	watch_fini(&f->watch);
	close(f->fd);
	f->answer[f->len] = '\0';
}

TEST(a_request_gets_its_answer_and_the_end)
{
	static const struct {
		const char *name, *request, *first_line, *body;
	} rows[] = {
		{ "status", "GET /status HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n",
		  "\r\n\r\n{\"sessions\": 7}\n" },
		{ "nothing there", "GET /secret HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found\r\n",
		  "\r\n\r\n{\"error\": \"Not Found\"}\n" },
		{ "a write", "DELETE /status HTTP/1.1\r\n\r\n",
		  "HTTP/1.1 405 Method Not Allowed\r\n", "Allow: GET, POST\r\n" },
		{ "a POST", "POST /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
		  "HTTP/1.1 200 OK\r\n", "\r\n\r\n{\"bytes\": 3, \"last\": \"c\"}\n" },
		{ "a POST that is wrong", "POST /echo?bad HTTP/1.1\r\n\r\n",
		  "HTTP/1.1 400 Bad Request\r\n", "{\"bytes\": 0, \"last\": \"-\"}" },
		{ "a POST to nowhere", "POST /status HTTP/1.1\r\n\r\n",
		  "HTTP/1.1 404 Not Found\r\n", "Not Found" },
		{ "noise", "\x16\x03\x01 whatever\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "400" },
	};

	FOR_ROWS (row, rows) {
		struct fixture f;

		setup(&f);
		ask(&f, row->request);
		teardown(&f);
		CHECK(strncmp(f.answer, row->first_line, strlen(row->first_line)) == 0);
		CHECK(strstr(f.answer, row->body) != NULL);
	}
}

TEST(a_body_may_be_longer_than_a_head)
{
	static char request[ADMIN_HEAD_MAX + ADMIN_BODY_MAX];
	struct fixture f;
	int len = snprintf(request, sizeof(request),
			   "POST /echo HTTP/1.1\r\nContent-Length: 100000\r\n\r\n");

	memset(request + len, 'x', 100000);
	request[len + 99999] = 'y';
	setup(&f);
	ask(&f, request);
	teardown(&f);
	CHECK(strstr(f.answer, "{\"bytes\": 100000, \"last\": \"y\"}") != NULL);
}

TEST(the_socket_is_for_user_and_group_only)
{
	struct fixture f;
	struct stat about;

	setup(&f);
	CHECK(stat(f.path, &about) == 0);
	CHECK_INT(about.st_mode & 0777, 0660);
	teardown(&f);
	CHECK(stat(f.path, &about) < 0); /* removed at the end */
}

TEST(a_live_daemon_is_not_pushed_away)
{
	struct fixture f;
	struct err err = { "" };
	char want[256];

	setup(&f);
	CHECK(admin_is_answered(f.path));
	CHECK(admin_create(f.loop, f.path, &hooks, &err) == NULL);
	snprintf(want, sizeof(want),
		 "another shuntd answers at %s; stop it first, or give another "
		 "path with --admin",
		 f.path);
	CHECK_STR(err.text, want);
	teardown(&f);
}

TEST(the_socket_of_a_dead_daemon_is_replaced)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct fixture f;
	int dead = socket(AF_UNIX, SOCK_STREAM, 0);
	struct err err;

	setup(&f);
	admin_destroy(f.admin);
	strcpy(at.sun_path, f.path);
	CHECK(bind(dead, (struct sockaddr *)&at, sizeof(at)) == 0);
	close(dead);
	CHECK(!admin_is_answered(f.path));
	f.admin = admin_create(f.loop, f.path, &hooks, &err);
	CHECK(f.admin != NULL);
	CHECK(admin_is_answered(f.path));
	teardown(&f);
}

TEST(what_is_no_socket_is_left_alone)
{
	struct fixture f;
	struct stat about;
	struct err err = { "" };
	FILE *file;

	setup(&f);
	admin_destroy(f.admin);
	f.admin = NULL;
	file = fopen(f.path, "w");
	CHECK(file != NULL);
	fclose(file);
	CHECK(admin_create(f.loop, f.path, &hooks, &err) == NULL);
	CHECK(strstr(err.text, "exists and is no socket") != NULL);
	CHECK(stat(f.path, &about) == 0);
	teardown(&f);
}

/* More clients than places: those beyond wait, nobody is cut off or crashes the server. */
TEST(silent_clients_hold_up_others_only_until_their_deadline)
{
	enum { SILENT = 15 };
	struct fixture f;
	int silent[SILENT];

	setup(&f);
	for (int i = 0; i < SILENT; i++)
		silent[i] = connect_to(f.path);
	ask(&f, "GET /status HTTP/1.1\r\n\r\n");
	for (int i = 0; i < SILENT; i++)
		close(silent[i]);
	teardown(&f);
	CHECK(strstr(f.answer, "200 OK") != NULL);
}
