#include <jansson.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/proxy/access_log.h"

static char dir[64], path[96];

static void folder_make(void)
{
	strcpy(dir, "/tmp/test_access_log.XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/log", dir);
}

static void folder_remove(void)
{
	unlink(path);
	rmdir(dir);
}

static size_t file_read(const char *file, char *to, size_t size)
{
	int fd = open(file, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, to, size - 1);

	if (fd >= 0)
		close(fd);
	to[n] = '\0';
	return (size_t)n;
}

static struct access_line a_line(void)
{
	struct access_line line = { .session = 5,
				    .vip = "web",
				    .port = 80,
				    .host = SPAN("a.example"),
				    .method = SPAN("GET"),
				    .path = SPAN("/x"),
				    .route = "rest",
				    .upstream = "site",
				    .status = 200,
				    .bytes_in = 1,
				    .bytes_out = 2,
				    .duration_ms = 3,
				    .splice = "none",
				    .splice_reason = "" };

	addr_parse(SPAN("192.0.2.1:4000"), &line.client);
	addr_parse(SPAN("192.0.2.2:8080"), &line.endpoint);
	return line;
}

static json_t *written(const struct access_line *line, char *text, size_t size)
{
	struct access_log *log;
	struct err err;
	size_t len;

	folder_make();
	log = access_log_open(path, &err);
	CHECK(log != NULL);
	access_log_write(log, line);
	access_log_close(log);
	len = file_read(path, text, size);
	folder_remove();
	CHECK(len > 0 && text[len - 1] == '\n' && strchr(text, '\n') == text + len - 1);
	return json_loads(text, 0, NULL);
}

TEST(an_exchange_is_one_line_of_json)
{
	char text[8192];
	struct access_line line = a_line();
	json_t *got = written(&line, text, sizeof(text));

	CHECK(got != NULL);
	CHECK_STR(json_string_value(json_object_get(got, "client")), "192.0.2.1:4000");
	CHECK_STR(json_string_value(json_object_get(got, "endpoint")), "192.0.2.2:8080");
	CHECK_STR(json_string_value(json_object_get(got, "path")), "/x");
	CHECK_INT(json_integer_value(json_object_get(got, "status")), 200);
	CHECK_INT(json_integer_value(json_object_get(got, "duration_ms")), 3);
	CHECK(json_object_get(got, "error") == NULL);
	CHECK(json_object_get(got, "splice_reason") == NULL);
	json_decref(got);
}

TEST(what_a_peer_sends_cannot_break_a_line)
{
	static const struct {
		const char *name;
		struct span path;
		struct span want;
	} rows[] = {
		{ "a quote and a backslash", SPAN("/\"\\"), SPAN("/\"\\") },
		{ "a new line", SPAN("/a\nb"), SPAN("/a\nb") },
		{ "an escape sequence of a terminal", SPAN("/\x1b[2J"), SPAN("/\x1b[2J") },
		{ "no UTF-8", SPAN("/\xff"), SPAN("/\xc3\xbf") },
	};

	FOR_ROWS (row, rows) {
		char text[8192];
		struct access_line line = a_line();
		json_t *got;

		line.path = row->path;
		got = written(&line, text, sizeof(text));
		CHECK(got != NULL);
		CHECK_SPAN(span_of(json_string_value(json_object_get(got, "path"))), row->want);
		json_decref(got);
	}
}

TEST(a_line_of_the_worst_bytes_stays_json_and_fits_a_page)
{
	static char worst[20000];
	char text[8192];
	struct access_line line = a_line();
	json_t *got;

	memset(worst, 1, sizeof(worst));
	line.path = line.host = line.method = span_make(worst, sizeof(worst));
	line.detail = line.route = line.upstream = line.vip = line.splice_reason =
		"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"
		"\x01"
		"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"
		"\x01";
	line.end = END_ENDPOINT_TLS;
	got = written(&line, text, sizeof(text));
	CHECK(got != NULL);
	CHECK(strlen(text) < 4096);
	json_decref(got);
}

TEST(a_rotated_file_is_left_and_a_new_one_begun)
{
	struct access_line line = a_line();
	char old[112], text[8192];
	struct access_log *log;
	struct err err;

	folder_make();
	snprintf(old, sizeof(old), "%s.1", path);
	log = access_log_open(path, &err);
	access_log_write(log, &line);
	CHECK(rename(path, old) == 0);
	access_log_reopen(log);
	access_log_write(log, &line);
	access_log_close(log);
	CHECK(file_read(old, text, sizeof(text)) > 0);
	CHECK(strchr(text, '\n') == text + strlen(text) - 1); /* one line in each */
	CHECK(file_read(path, text, sizeof(text)) > 0);
	unlink(old);
	folder_remove();
}

TEST(a_line_that_cannot_be_written_is_counted)
{
	struct access_line line = a_line();
	struct access_log *log;
	struct err err;

	if (access("/dev/full", W_OK) < 0)
		TEST_SKIP("there is no /dev/full");
	log = access_log_open("/dev/full", &err);
	CHECK(log != NULL);
	access_log_write(log, &line);
	access_log_write(log, &line);
	CHECK_INT(access_log_lost(log), 2);
	access_log_close(log);
}

TEST(a_log_that_cannot_be_opened_says_so_and_no_log_is_fine)
{
	struct access_line line = a_line();
	struct err err = { "" };
	struct access_log *none;

	CHECK(access_log_open("/nowhere/log", &err) == NULL);
	CHECK_STR(err.text, "cannot open the access log /nowhere/log: No such file or directory");
	none = access_log_open(NULL, &err);
	CHECK(none != NULL);
	access_log_write(none, &line);
	access_log_close(none);
}
