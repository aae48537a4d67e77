#include "tools/shuntctl/admin_get.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "userspace/base/must.h"

enum { ANSWER_MAX = 64 << 20, ANSWER_FIRST = 65536 };

/* What a system call says that the socket's time-out has ended. */
static bool explain_late(const struct admin_at *at, struct err *err)
{
	return err_set(err,
		       "shuntd said nothing for %u s at %s; see whether it is stopped, or give it "
		       "more time with --timeout",
		       at->timeout_s, at->socket);
}

static bool explain_connect(const struct admin_at *at, struct err *err)
{
	const char *path = at->socket;

	if (errno == EAGAIN)
		return explain_late(at, err);
	if (errno == ENOENT || errno == ECONNREFUSED)
		return err_set(err,
			       "no shuntd answers at %s; start it, or give its socket with --admin",
			       path);
	if (errno == EACCES || errno == EPERM)
		return err_set(err, "%s may only be opened by shuntd's user and group; try as root",
			       path);
	return err_sys(err, "cannot connect to %s", path);
}

static bool connect_to(const struct admin_at *at, int *out_fd, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval wait = { .tv_sec = at->timeout_s };
	int fd;

	if (strlen(at->socket) >= sizeof(address.sun_path))
		return err_set(err, "the path of --admin has %zu bytes, it may have %zu",
			       strlen(at->socket), sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, at->socket, strlen(at->socket) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(err, "cannot make a socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		explain_connect(at, err);
		close(fd);
		return false;
	}
	*out_fd = fd;
	return true;
}

/* To the end of the connection, with a NUL behind it. */
static char *read_all(int fd, const struct admin_at *at, struct err *err)
{
	size_t size = ANSWER_FIRST, len = 0;
	char *all = must_alloc(size);
	ssize_t n;

	while ((n = read(fd, all + len, size - len - 1)) > 0) {
		len += (size_t)n;
		if (len + 1 < size)
			continue;
		if (size >= ANSWER_MAX) {
			err_set(err, "the answer has more than %d bytes", ANSWER_MAX);
			goto free_all;
		}
		size *= 2;
		all = realloc(all, size);
		MUST(all);
	}
	if (n < 0) {
		if (errno == EAGAIN)
			explain_late(at, err);
		else
			err_sys(err, "shuntd did not answer");
		goto free_all;
	}
	all[len] = '\0';
	return all;
free_all:
	free(all);
	return NULL;
}

/* Of an answer with a sentence of the daemon's own; true where there is one. */
static bool explain_refusal(const char *body, struct err *err)
{
	json_t *answer = json_loads(body, 0, NULL);
	const char *text = json_string_value(json_object_get(answer, "error"));
	bool has = text && strchr(text, ' ') && strcmp(text, "Not Found") != 0;

	if (has)
		err_set(err, "%s", text);
	json_decref(answer);
	return has;
}

static char *body_of(char *answer, struct err *err)
{
	char *head_end = strstr(answer, "\r\n\r\n"), *body = NULL;
	size_t line = strcspn(answer, "\r\n");

	if (!head_end || strncmp(answer, "HTTP/1.1 ", 9) != 0)
		err_set(err, "what answers there is no shuntd");
	else if (strncmp(answer + 9, "200 ", 4) == 0)
		body = strdup(head_end + 4);
	else if (explain_refusal(head_end + 4, err))
		body = NULL;
	else if (strncmp(answer + 9, "404 ", 4) == 0)
		err_set(err,
			"this shuntd cannot say that: it has no fast path, or is an older one");
	else
		err_set(err, "shuntd refused: %.*s", (int)(line < 80 ? line : 80), answer);
	free(answer);
	return body;
}

static bool send_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

static char *ask(const struct admin_at *at, const char *head, const char *body, struct err *err)
{
	char *answer = NULL;
	int fd = -1;

	if (!connect_to(at, &fd, err))
		return NULL;
	if (!send_all(fd, head, strlen(head)) || !send_all(fd, body, strlen(body)))
		err_sys(err, "cannot ask shuntd");
	else
		answer = read_all(fd, at, err);
	close(fd);
	return answer ? body_of(answer, err) : NULL;
}

char *admin_get(const struct admin_at *at, const char *path, struct err *err)
{
	char head[256];

	snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: shunt\r\nConnection: close\r\n\r\n",
		 path);
	return ask(at, head, "", err);
}

char *admin_post(const struct admin_at *at, const char *target, const char *body, struct err *err)
{
	char head[512];

	snprintf(head, sizeof(head),
		 "POST %s HTTP/1.1\r\nHost: shunt\r\nContent-Length: %zu\r\n"
		 "Connection: close\r\n\r\n",
		 target, strlen(body));
	return ask(at, head, body, err);
}
