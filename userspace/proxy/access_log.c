#include "userspace/proxy/access_log.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/must.h"

/*
 * A line fits one page, so that a pipe that reports to be writable takes it whole and a slow reader
 * of standard output never holds a worker up. Limits count escaped bytes.
 */
enum { LINE_MAX_BYTES = 4096, PATH_MAX_BYTES = 1536, HOST_MAX_BYTES = 512, NAME_MAX_BYTES = 128 };

struct access_log {
	int fd; /* never changes: reopening puts another file behind it */
	bool may_block;
	char *path; /* NULL: standard output */
	atomic_uint_fast64_t lost;
};

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
};

static bool open_file(const char *path, int *out_fd, struct err *err)
{
	int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);

	if (fd < 0)
		return err_sys(err, "cannot open the access log %s", path);
	*out_fd = fd;
	return true;
}

struct access_log *access_log_open(const char *path, struct err *err)
{
	struct access_log *log;
	struct stat about;
	bool standard = path && !strcmp(path, "-");
	int fd = -1;

	if (standard)
		fd = dup(STDOUT_FILENO);
	if (standard && fd < 0) {
		err_sys(err, "cannot write the access log to standard output");
		return NULL;
	}
	if (path && !standard && !open_file(path, &fd, err))
		return NULL;
	log = must_alloc(sizeof(*log));
	log->fd = fd;
	log->may_block = fd >= 0 && (fstat(fd, &about) < 0 || !S_ISREG(about.st_mode));
	log->path = path && !standard ? strdup(path) : NULL;
	return log;
}

void access_log_close(struct access_log *log)
{
	if (!log)
		return;
	if (log->fd >= 0)
		close(log->fd);
	free(log->path);
	free(log);
}

void access_log_reopen(struct access_log *log)
{
	int fd = -1;

	if (!log || !log->path || !open_file(log->path, &fd, NULL))
		return;
	dup3(fd, log->fd, O_CLOEXEC); /* atomic for the workers, who are writing */
	close(fd);
}

bool access_log_hand_over(struct access_log *log, const char *user, struct err *err)
{
	const struct passwd *to = user ? getpwnam(user) : NULL;

	if (!log || !log->path || !to || to->pw_uid == getuid())
		return true;
	return fchown(log->fd, to->pw_uid, to->pw_gid) == 0 ||
	       err_sys(err, "cannot give the access log %s to user \"%s\"", log->path, user);
}

uint64_t access_log_lost(const struct access_log *log)
{
	return log ? atomic_load_explicit(&log->lost, memory_order_relaxed) : 0;
}

static void put(struct line *line, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct line *line, const char *fmt, ...)
{
	size_t room = sizeof(line->text) - line->len;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line->text + line->len, room, fmt, args);
	va_end(args);
	if (n > 0)
		line->len += (size_t)n < room ? (size_t)n : room - 1;
}

/* Bytes beyond ASCII become \u00XX: what a peer sent need not be UTF-8, the line must be. */
static void put_text(struct line *line, const char *name, struct span text, size_t most)
{
	size_t end;

	put(line, ",\"%s\":\"", name);
	end = line->len + most;
	for (size_t i = 0; i < text.len && line->len + 6 <= end; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if (c == '"' || c == '\\')
			put(line, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			put(line, "\\u%04x", c);
		else
			line->text[line->len++] = (char)c;
	}
	put(line, "\"");
}

static void put_name(struct line *line, const char *name, const char *text)
{
	if (text)
		put_text(line, name, span_of(text), NAME_MAX_BYTES);
}

static void put_time(struct line *line)
{
	struct timespec now;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	put(line, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\"", utc.tm_year + 1900,
	    utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
	    now.tv_nsec / 1000000);
}

/* A word for programs always; a sentence for people where it ended badly. */
static void put_end(struct line *line, const struct access_line *from)
{
	char text[NAME_MAX_BYTES];

	put_name(line, "end", end_reason_words[from->end]);
	if (from->end == END_DONE)
		return;
	snprintf(text, sizeof(text), "%s%s%s", end_reason_texts[from->end],
		 from->detail ? ": " : "", from->detail ? from->detail : "");
	put_name(line, "error", text);
}

static void fill(struct line *line, const struct access_line *from)
{
	static const struct addr none;

	put_time(line);
	put(line, ",\"session\":%llu,\"client\":\"%s\"", (unsigned long long)from->session,
	    addr_print(&from->client).text);
	put_name(line, "vip", from->vip);
	put(line, ",\"port\":%u", from->port);
	if (from->method.len)
		put_text(line, "method", from->method, NAME_MAX_BYTES);
	if (from->host.len)
		put_text(line, "host", from->host, HOST_MAX_BYTES);
	if (from->path.len)
		put_text(line, "path", from->path, PATH_MAX_BYTES);
	put_name(line, "route", from->route);
	put_name(line, "upstream", from->upstream);
	if (!addr_is(&from->endpoint, &none))
		put(line, ",\"endpoint\":\"%s\"", addr_print(&from->endpoint).text);
	if (from->status)
		put(line, ",\"status\":%u", from->status);
	put(line, ",\"bytes_in\":%llu,\"bytes_out\":%llu,\"duration_ms\":%llu",
	    (unsigned long long)from->bytes_in, (unsigned long long)from->bytes_out,
	    (unsigned long long)from->duration_ms);
	put_name(line, "tls", from->tls);
	put_name(line, "server_name", from->server_name);
	put_name(line, "splice", from->splice);
	if (from->splice_reason && *from->splice_reason)
		put_name(line, "splice_reason", from->splice_reason);
	put_end(line, from);
	put(line, "}\n");
}

void access_log_write(struct access_log *log, const struct access_line *line)
{
	struct line out;
	struct pollfd ready;

	if (!log || log->fd < 0)
		return;
	out.len = 0;
	fill(&out, line);
	ready = (struct pollfd){ .fd = log->fd, .events = POLLOUT };
	if ((!log->may_block || (poll(&ready, 1, 0) == 1 && ready.revents & POLLOUT)) &&
	    write(log->fd, out.text, out.len) == (ssize_t)out.len)
		return;
	atomic_fetch_add_explicit(&log->lost, 1, memory_order_relaxed);
}
