#include "userspace/control/upgrade_protocol.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "userspace/base/must.h"

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * UPGRADE_FDS_MAX)];
};

enum upgrade_sent upgrade_message_send(int socket, const struct upgrade_message *message,
				       const int *fds, uint32_t fd_count)
{
	struct upgrade_message m = *message;
	struct iovec part = { &m, sizeof(m) };
	struct msghdr head = { .msg_iov = &part, .msg_iovlen = 1 };
	union control control = { .bytes = { 0 } };
	ssize_t n;

	MUST(fd_count <= UPGRADE_FDS_MAX);
	m.magic = UPGRADE_MAGIC;
	m.version = UPGRADE_VERSION;
	if (fd_count) {
		head.msg_control = &control;
		head.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		*CMSG_FIRSTHDR(&head) =
			(struct cmsghdr){ .cmsg_level = SOL_SOCKET,
					  .cmsg_type = SCM_RIGHTS,
					  .cmsg_len = CMSG_LEN(sizeof(int) * fd_count) };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&head)), fds, sizeof(int) * fd_count);
	}
	do {
		n = sendmsg(socket, &head, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(m))
		return UPGRADE_SENT;
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? UPGRADE_FULL : UPGRADE_BROKEN;
}

static uint32_t fds_of(struct msghdr *head, int out_fds[UPGRADE_FDS_MAX])
{
	struct cmsghdr *c = CMSG_FIRSTHDR(head);
	uint32_t count;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return 0;
	count = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(out_fds, CMSG_DATA(c), sizeof(int) * count);
	return count;
}

static bool is_right(const struct upgrade_message *m, ssize_t n, const struct msghdr *head,
		     struct err *err)
{
	/* These three stand first in every version. */
	if (n < 8 || m->magic != UPGRADE_MAGIC)
		return err_set(err, "the other process of the upgrade is no shuntd");
	if (m->version != UPGRADE_VERSION)
		return err_set(err,
			       "the other shuntd speaks version %u of the upgrade's protocol, this "
			       "one version %d; stop the old one and start the new one instead",
			       m->version, UPGRADE_VERSION);
	if (n != (ssize_t)sizeof(*m) || m->kind == 0 || m->kind >= UPGRADE_KINDS)
		return err_set(err, "a message of the upgrade is damaged");
	if (head->msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return err_set(err,
			       "there is no room for the descriptors of the other shuntd; raise "
			       "LimitNOFILE");
	return true;
}

enum upgrade_got upgrade_message_receive(int socket, struct upgrade_message *out_message,
					 int out_fds[UPGRADE_FDS_MAX], uint32_t *out_fd_count,
					 struct err *err)
{
	struct upgrade_message m = { 0 };
	struct iovec part = { &m, sizeof(m) };
	union control control = { .bytes = { 0 } };
	struct msghdr head = { .msg_iov = &part,
			       .msg_iovlen = 1,
			       .msg_control = &control,
			       .msg_controllen = sizeof(control) };
	int fds[UPGRADE_FDS_MAX];
	uint32_t count;
	ssize_t n;

	do {
		n = recvmsg(socket, &head, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return UPGRADE_NOTHING;
	if (n <= 0)
		return UPGRADE_END;
	count = fds_of(&head, fds);
	if (!is_right(&m, n, &head, err)) {
		while (count > 0)
			close(fds[--count]);
		return UPGRADE_WRONG;
	}
	*out_message = m;
	*out_fd_count = count;
	memcpy(out_fds, fds, sizeof(int) * count);
	return UPGRADE_GOT;
}
