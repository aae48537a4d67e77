#include "userspace/control/admin.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "userspace/base/must.h"
#include "userspace/control/admin_request.h"

enum { CLIENTS_MAX = 16, CLIENT_DEADLINE_MS = 5000, FULL_PAUSE_MS = 100, BACKLOG = 16 };

struct client {
	struct admin *admin;
	int fd; /* -1: free */
	struct watch watch;
	struct timer deadline;
	char head[ADMIN_HEAD_MAX];
	char *in; /* head, or for what has a body, room for all of it */
	size_t in_len, in_size;
	uint32_t uid, pid; /* as it connected */
	char *reply;       /* NULL while the head is read */
	size_t reply_len, reply_sent;
};

struct admin {
	struct loop *loop;
	struct admin_hooks hooks;
	struct sockaddr_un at;
	dev_t device; /* of the socket file, so that another daemon's is never removed */
	ino_t inode;
	bool made_folder;
	bool owned; /* else the file is of another daemon, which has the same socket */
	int fd;
	struct watch watch;
	struct timer pause; /* out of descriptors */
	struct client clients[CLIENTS_MAX];
	uint32_t busy;
};

static void client_end(struct client *c)
{
	watch_fini(&c->watch);
	timer_stop(&c->deadline);
	close(c->fd);
	free(c->reply);
	if (c->in != c->head)
		free(c->in);
	c->in = c->head;
	c->reply = NULL;
	c->fd = -1;
	c->admin->busy--;
	if (c->admin->owned)
		watch_set(&c->admin->watch, WATCH_READ); /* it rests while all are busy */
}

static const char *reason_of(uint32_t status)
{
	return status == 200   ? "OK"
	       : status == 404 ? "Not Found"
	       : status == 405 ? "Method Not Allowed"
	       : status == 413 ? "Content Too Large"
	       : status == 431 ? "Request Header Fields Too Large"
			       : "Bad Request";
}

/* Takes body over; NULL: one made from the status. */
static void client_reply(struct client *c, uint32_t status, char *body)
{
	int len;

	if (!body && asprintf(&body, "{\"error\": \"%s\"}", reason_of(status)) < 0)
		body = NULL;
	len = body ? asprintf(&c->reply,
			      "HTTP/1.1 %u %s\r\nContent-Type: application/json\r\n%s"
			      "Content-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
			      status, reason_of(status),
			      status == 405 ? "Allow: GET, POST\r\n" : "", strlen(body) + 1, body)
		   : -1;
	free(body);
	if (len < 0) {
		c->reply = NULL;
		client_end(c);
		return;
	}
	c->reply_len = (size_t)len;
	c->reply_sent = 0;
	watch_set(&c->watch, WATCH_WRITE);
}

/* A whole head does not need more: what is missing is the body. */
static void client_grow(struct client *c)
{
	if (c->in_len < c->in_size || c->in != c->head)
		return;
	c->in_size = ADMIN_HEAD_MAX + ADMIN_BODY_MAX;
	c->in = must_alloc(c->in_size);
	memcpy(c->in, c->head, c->in_len);
}

static char *client_answer(struct client *c, const struct admin_request *request,
			   uint32_t *out_status)
{
	const struct admin_hooks *hooks = &c->admin->hooks;

	if (!request->is_post)
		return hooks->on_get(hooks->context, request->path);
	return hooks->on_post ? hooks->on_post(hooks->context, request, out_status) : NULL;
}

static void client_read(struct client *c)
{
	ssize_t n = read(c->fd, c->in + c->in_len, c->in_size - c->in_len);
	struct admin_request request = { 0 };
	uint32_t status = 200;
	char *body;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_end(c);
		return;
	}
	c->in_len += (size_t)n;
	switch (admin_request_parse(span_make(c->in, c->in_len), &request, &status)) {
	case ADMIN_NEED_MORE:
		client_grow(c);
		return;
	case ADMIN_REFUSED:
		client_reply(c, status, NULL);
		return;
	case ADMIN_REQUEST:
		request.uid = c->uid;
		request.pid = c->pid;
		body = client_answer(c, &request, &status);
		client_reply(c, body ? status : 404, body);
	}
}

static void client_write(struct client *c)
{
	ssize_t n =
		send(c->fd, c->reply + c->reply_sent, c->reply_len - c->reply_sent, MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->reply_sent += (size_t)n;
	if (n <= 0 || c->reply_sent == c->reply_len)
		client_end(c);
}

static void on_client(void *context, int events)
{
	struct client *c = context;

	(void)events;
	if (c->reply)
		client_write(c);
	else
		client_read(c);
}

static void on_deadline(void *context)
{
	client_end(context);
}

static void on_pause_over(void *context)
{
	struct admin *admin = context;

	watch_set(&admin->watch, WATCH_READ);
}

static void note_peer(struct client *c)
{
	struct ucred peer = { .uid = UINT32_MAX };
	socklen_t len = sizeof(peer);

	getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	c->uid = peer.uid;
	c->pid = (uint32_t)peer.pid;
}

static void on_connection(void *context, int events)
{
	struct admin *admin = context;
	struct client *c = admin->clients;
	int fd;

	(void)events;
	while (c < admin->clients + CLIENTS_MAX && c->fd >= 0)
		c++;
	MUST(c < admin->clients + CLIENTS_MAX); /* the watch rests while all are busy */
	fd = accept4(admin->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
		watch_set(&admin->watch, 0); /* it stays readable: not at once again */
		timer_start(&admin->pause, FULL_PAUSE_MS);
	}
	if (fd < 0)
		return;
	c->fd = fd;
	note_peer(c);
	c->in = c->head;
	c->in_len = 0;
	c->in_size = sizeof(c->head);
	watch_init(&c->watch, admin->loop, fd, on_client, c);
	timer_init(&c->deadline, admin->loop, on_deadline, c);
	timer_start(&c->deadline, CLIENT_DEADLINE_MS);
	watch_set(&c->watch, WATCH_READ);
	if (++admin->busy == CLIENTS_MAX)
		watch_set(&admin->watch, 0);
}

static int address_of(const char *path, struct sockaddr_un *out_at)
{
	*out_at = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(out_at->sun_path))
		return -1;
	memcpy(out_at->sun_path, path, strlen(path) + 1);
	return 0;
}

bool admin_is_answered(const char *path)
{
	struct sockaddr_un at;
	int fd, got, why;

	if (address_of(path, &at) < 0)
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	got = connect(fd, (const struct sockaddr *)&at, sizeof(at));
	why = errno;
	close(fd);
	return got == 0 || why == EAGAIN; /* EAGAIN: alive, with a full queue */
}

/* Only a socket that nobody answers at is removed. */
static bool make_way(const char *path, struct err *err)
{
	struct stat there;

	if (lstat(path, &there) < 0)
		return true; /* nothing there, or bind says what is wrong */
	if (!S_ISSOCK(there.st_mode))
		return err_set(err, "%s exists and is no socket; give another path with --admin",
			       path);
	if (admin_is_answered(path))
		return err_set(err,
			       "another shuntd answers at %s; stop it first, or give another "
			       "path with --admin",
			       path);
	if (unlink(path) < 0)
		return err_sys(err, "cannot remove the old admin socket %s", path);
	return true;
}

struct folder {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* "" where it is the root, or this one. */
static struct folder folder_of(const char *path)
{
	struct folder folder;
	char *slash;

	snprintf(folder.path, sizeof(folder.path), "%s", path);
	slash = strrchr(folder.path, '/');
	if (slash)
		*slash = '\0';
	else
		folder.path[0] = '\0';
	return folder;
}

static bool open_socket(struct admin *admin, struct err *err)
{
	const char *path = admin->at.sun_path;
	struct stat made;
	mode_t before;
	int bound;

	/* Where that fails, bind says so. */
	admin->made_folder = mkdir(folder_of(path).path, 0755) == 0;
	if (!make_way(path, err))
		return false;
	admin->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (admin->fd < 0)
		return err_sys(err, "cannot make the admin socket");
	before = umask(0117); /* the file is never wider than 0660, not for a moment */
	bound = bind(admin->fd, (const struct sockaddr *)&admin->at, sizeof(admin->at));
	umask(before);
	if (bound < 0 || listen(admin->fd, BACKLOG) < 0 || stat(path, &made) < 0) {
		err_sys(err, "cannot listen on the admin socket %s", path);
		close(admin->fd);
		return false;
	}
	admin->device = made.st_dev;
	admin->inode = made.st_ino;
	return true;
}

static void begin(struct admin *admin)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		admin->clients[i].fd = -1;
		admin->clients[i].admin = admin;
		admin->clients[i].in = admin->clients[i].head;
	}
	timer_init(&admin->pause, admin->loop, on_pause_over, admin);
	watch_init(&admin->watch, admin->loop, admin->fd, on_connection, admin);
}

struct admin *admin_create(struct loop *loop, const char *path, const struct admin_hooks *hooks,
			   struct err *err)
{
	struct admin *admin;

	admin = must_alloc(sizeof(*admin));
	admin->loop = loop;
	admin->hooks = *hooks;
	if (address_of(path, &admin->at) < 0) {
		err_set(err,
			"the admin socket's path has %zu bytes, it may have %zu; take a shorter "
			"one",
			strlen(path), sizeof(admin->at.sun_path) - 1);
		goto free_admin;
	}
	if (!open_socket(admin, err))
		goto free_admin;
	begin(admin);
	admin_own(admin);
	return admin;
free_admin:
	free(admin);
	return NULL;
}

struct admin *admin_inherit(struct loop *loop, const char *path, int fd,
			    const struct admin_hooks *hooks)
{
	struct admin *admin = must_alloc(sizeof(*admin));
	struct sockaddr_un of = { .sun_family = AF_UNSPEC };
	socklen_t len = sizeof(of);
	struct stat there;

	admin->loop = loop;
	admin->hooks = *hooks;
	admin->fd = fd;
	if (address_of(path, &admin->at) < 0 || getsockname(fd, (struct sockaddr *)&of, &len) < 0 ||
	    of.sun_family != AF_UNIX || strcmp(of.sun_path, path) != 0 || lstat(path, &there) < 0 ||
	    !S_ISSOCK(there.st_mode)) {
		free(admin);
		return NULL;
	}
	admin->device = there.st_dev;
	admin->inode = there.st_ino;
	begin(admin);
	return admin;
}

int admin_fd(const struct admin *admin)
{
	return admin ? admin->fd : -1;
}

void admin_own(struct admin *admin)
{
	if (!admin)
		return;
	admin->owned = true;
	watch_set(&admin->watch, WATCH_READ);
}

void admin_leave(struct admin *admin)
{
	if (!admin)
		return;
	admin->owned = false;
	timer_stop(&admin->pause);
	watch_set(&admin->watch, 0);
}

/* Without the folder the socket could not be removed when shuntd stops. */
bool admin_hand_over(struct admin *admin, const char *user, struct err *err)
{
	const char *path = admin ? admin->at.sun_path : "";
	struct passwd *to = user ? getpwnam(user) : NULL;

	if (!admin || !admin->owned || !to || to->pw_uid == getuid())
		return true;
	if (chown(path, to->pw_uid, to->pw_gid) < 0 ||
	    (admin->made_folder && chown(folder_of(path).path, to->pw_uid, to->pw_gid) < 0))
		return err_sys(err, "cannot give the admin socket %s to user \"%s\"", path, user);
	return true;
}

void admin_destroy(struct admin *admin)
{
	struct stat there;

	if (!admin)
		return;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (admin->clients[i].fd >= 0)
			client_end(&admin->clients[i]);
	if (admin->owned && lstat(admin->at.sun_path, &there) == 0 &&
	    there.st_dev == admin->device && there.st_ino == admin->inode)
		unlink(admin->at.sun_path);
	watch_fini(&admin->watch);
	timer_stop(&admin->pause);
	close(admin->fd);
	free(admin);
}
