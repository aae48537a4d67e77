#include "userspace/base/log_target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/must.h"

enum { DATAGRAMS_MAX = 64, PREFIX_MAX = 64, PRIORITY = 16 * 8 + 6 };

struct log_target {
	size_t (*write)(struct log_target *t, struct span lines, uint64_t *lost);
	int fd;
	int error;
	struct sockaddr_un syslog; /* of a syslog socket */
	time_t second;             /* of prefix */
	char prefix[PREFIX_MAX];
};

/* --- files, pipes, terminals, streams ------------------------------------------------------- */

static size_t done(struct log_target *t, ssize_t n)
{
	if (n >= 0) {
		t->error = 0;
		return (size_t)n;
	}
	t->error = errno == EAGAIN || errno == EINTR ? 0 : errno;
	return 0;
}

static size_t write_file(struct log_target *t, struct span lines, uint64_t *lost)
{
	(void)lost;
	return done(t, write(t->fd, lines.at, lines.len));
}

/* As many lines as a pipe takes whole or not at all, so that those of others do not mix in. */
static struct span atomic_part(struct span lines)
{
	const char *end;

	if (lines.len <= PIPE_BUF)
		return lines;
	end = memrchr(lines.at, '\n', PIPE_BUF);
	return span_make(lines.at, end ? (size_t)(end - lines.at) + 1 : PIPE_BUF);
}

static size_t write_pipe(struct log_target *t, struct span lines, uint64_t *lost)
{
	struct pollfd ready = { .fd = t->fd, .events = POLLOUT };

	/* Without /proc it is not ours alone, and may be one that blocks. */
	if (poll(&ready, 1, 0) != 1) {
		t->error = 0;
		return 0;
	}
	return write_file(t, atomic_part(lines), lost);
}

static size_t write_stream(struct log_target *t, struct span lines, uint64_t *lost)
{
	struct span part = atomic_part(lines);

	(void)lost;
	return done(t, send(t->fd, part.at, part.len, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/* --- syslog --------------------------------------------------------------------------------- */

static bool syslog_connect(struct log_target *t)
{
	if (t->fd >= 0)
		return true;
	t->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (t->fd >= 0 && connect(t->fd, (struct sockaddr *)&t->syslog, sizeof(t->syslog)) == 0)
		return true;
	t->error = errno;
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	return false;
}

static struct span syslog_prefix(struct log_target *t)
{
	time_t now = time(NULL);
	struct tm local;
	size_t len;

	if (now != t->second) {
		localtime_r(&now, &local);
		len = (size_t)snprintf(t->prefix, sizeof(t->prefix), "<%d>", PRIORITY);
		len += strftime(t->prefix + len, sizeof(t->prefix) - len, "%b %e %H:%M:%S", &local);
		snprintf(t->prefix + len, sizeof(t->prefix) - len, " shuntd[%d]: ", (int)getpid());
		t->second = now;
	}
	return span_of(t->prefix);
}

/* The datagrams of the first lines, without their ends; returns how many. */
static unsigned fill(struct span lines, struct span prefix, struct mmsghdr *messages,
		     struct iovec (*parts)[2])
{
	unsigned count = 0;

	while (count < DATAGRAMS_MAX && lines.len > 0) {
		const char *end = memchr(lines.at, '\n', lines.len);
		size_t len = end ? (size_t)(end - lines.at) : lines.len;

		parts[count][0] = (struct iovec){ (void *)prefix.at, prefix.len };
		parts[count][1] = (struct iovec){ (void *)lines.at, len };
		messages[count].msg_hdr =
			(struct msghdr){ .msg_iov = parts[count], .msg_iovlen = 2 };
		lines = span_after(lines, end ? len + 1 : len);
		count++;
	}
	return count;
}

static size_t write_syslog(struct log_target *t, struct span lines, uint64_t *lost)
{
	struct mmsghdr messages[DATAGRAMS_MAX];
	struct iovec parts[DATAGRAMS_MAX][2];
	unsigned count = fill(lines, syslog_prefix(t), messages, parts);
	size_t taken = 0;
	int sent;

	if (!syslog_connect(t))
		return 0;
	sent = sendmmsg(t->fd, messages, count, MSG_NOSIGNAL);
	if (sent < 0 && errno == EMSGSIZE) { /* this one never will */
		*lost += 1;
		sent = 1;
	}
	if (sent < 0) {
		t->error = errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : errno;
		if (t->error) {
			close(t->fd);
			t->fd = -1;
		}
		return 0;
	}
	t->error = 0;
	for (int i = 0; i < sent; i++)
		taken += parts[i][1].iov_len + 1;
	return taken < lines.len ? taken : lines.len;
}

/* --- open and close ------------------------------------------------------------------------- */

/* A descriptor of our own, so that what we set on it is not set for others who write there too. */
static int own_stdout(void)
{
	struct stat about;
	int fd = -1;

	if (fstat(STDOUT_FILENO, &about) == 0 && !S_ISSOCK(about.st_mode) &&
	    !S_ISREG(about.st_mode))
		fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	return fd >= 0 ? fd : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
}

static struct log_target *syslog_open(const char *path, struct err *err)
{
	struct log_target *t = must_alloc(sizeof(*t));

	if (*path != '/' || strlen(path) >= sizeof(t->syslog.sun_path)) {
		err_set(err,
			"\"syslog:%s\" names no socket: expected an absolute path of at most %zu "
			"bytes",
			path, sizeof(t->syslog.sun_path) - 1);
		free(t);
		return NULL;
	}
	t->write = write_syslog;
	t->fd = -1;
	t->syslog.sun_family = AF_UNIX;
	memcpy(t->syslog.sun_path, path, strlen(path));
	return t;
}

struct log_target *log_target_open(const char *where, struct err *err)
{
	bool standard = !strcmp(where, "-") || !strcmp(where, "stdout");
	struct log_target *t;
	struct stat about = { 0 };
	int fd;

	if (!strncmp(where, "syslog:", 7))
		return syslog_open(where + 7, err);
	fd = standard ? own_stdout()
		      : open(where,
			     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
			     0640);
	if (fd < 0) {
		err_sys(err, "cannot open the access log %s", where);
		return NULL;
	}
	t = must_alloc(sizeof(*t));
	t->fd = fd;
	fstat(fd, &about);
	t->write = S_ISREG(about.st_mode)    ? write_file
		   : S_ISSOCK(about.st_mode) ? write_stream
					     : write_pipe;
	return t;
}

void log_target_close(struct log_target *t)
{
	if (t && t->fd >= 0)
		close(t->fd);
	free(t);
}

bool log_target_hand_over(struct log_target *t, const char *user, struct err *err)
{
	const struct passwd *to = getpwnam(user);

	if (t->write != write_file || !to || to->pw_uid == getuid())
		return true;
	return fchown(t->fd, to->pw_uid, to->pw_gid) == 0 ||
	       err_sys(err, "cannot give the access log to user \"%s\"", user);
}

size_t log_target_write(struct log_target *t, struct span lines, uint64_t *lost)
{
	return t->write(t, lines, lost);
}

int log_target_fd(const struct log_target *t)
{
	return t->write == write_file || t->error ? -1 : t->fd;
}

int log_target_error(const struct log_target *t)
{
	return t->error;
}
