#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/control/upgrade_protocol.h"

static void pair(int ends[2])
{
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
}

static bool is_same_file(int a, int b)
{
	char text[] = "?";

	return write(a, "x", 1) == 1 && read(b, text, 1) == 1 && *text == 'x';
}

TEST(a_message_arrives_whole_with_its_descriptors_which_are_closed_over_exec)
{
	struct upgrade_message sent = { .kind = UPGRADE_LISTENER, .count = 7 }, got;
	int ends[2], pipe_ends[2], fds[UPGRADE_FDS_MAX], many[UPGRADE_FDS_MAX];
	uint32_t count;
	struct err err;

	pair(ends);
	CHECK(pipe(pipe_ends) == 0);
	CHECK(addr_parse(SPAN("[2001:db8::1]:443"), &sent.address));
	sent.taken[5] = 0x20;
	for (int i = 0; i < UPGRADE_FDS_MAX; i++)
		many[i] = pipe_ends[1];
	CHECK_INT(upgrade_message_send(ends[0], &sent, many, UPGRADE_FDS_MAX), UPGRADE_SENT);
	CHECK_INT(upgrade_message_receive(ends[1], &got, fds, &count, &err), UPGRADE_GOT);
	CHECK_INT(count, UPGRADE_FDS_MAX);
	CHECK_INT(got.kind, UPGRADE_LISTENER);
	CHECK_INT(got.count, 7);
	CHECK_INT(got.taken[5], 0x20);
	CHECK(addr_is(&got.address, &sent.address));
	for (uint32_t i = 0; i < count; i++) {
		CHECK(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
		CHECK(is_same_file(fds[i], pipe_ends[0]));
		close(fds[i]);
	}
	for (int i = 0; i < 2; i++) {
		close(pipe_ends[i]);
		close(ends[i]);
	}
}

TEST(nothing_yet_and_the_end_are_told_apart)
{
	struct upgrade_message got;
	int ends[2], fds[UPGRADE_FDS_MAX];
	uint32_t count;
	struct err err;

	pair(ends);
	CHECK_INT(upgrade_message_receive(ends[1], &got, fds, &count, &err), UPGRADE_NOTHING);
	close(ends[0]);
	CHECK_INT(upgrade_message_receive(ends[1], &got, fds, &count, &err), UPGRADE_END);
	CHECK_INT(upgrade_message_send(ends[1], &got, NULL, 0), UPGRADE_BROKEN);
	close(ends[1]);
}

TEST(who_does_not_read_makes_nobody_wait)
{
	struct upgrade_message m = { .kind = UPGRADE_HELLO };
	enum upgrade_sent sent = UPGRADE_SENT;
	int ends[2];

	pair(ends);
	for (int i = 0; i < 100000 && sent == UPGRADE_SENT; i++)
		sent = upgrade_message_send(ends[0], &m, NULL, 0);
	CHECK_INT(sent, UPGRADE_FULL);
	close(ends[0]);
	close(ends[1]);
}

/* Sends bytes as they are, with one descriptor beside them. */
static void send_raw(int to, const void *bytes, size_t len, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec part = { (void *)bytes, len };
	struct msghdr head = { .msg_iov = &part,
			       .msg_iovlen = 1,
			       .msg_control = &control,
			       .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&head);

	*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS,
			       .cmsg_len = CMSG_LEN(sizeof(int)) };
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	CHECK_INT(sendmsg(to, &head, 0), len);
}

TEST(what_is_not_of_this_protocol_is_refused_and_its_descriptors_are_closed)
{
	static const struct {
		const char *name;
		uint32_t magic;
		uint16_t version, kind;
		int more; /* bytes than a message has */
		const char *says;
	} rows[] = {
		{ "another program", 1, UPGRADE_VERSION, UPGRADE_HELLO, 0, "no shuntd" },
		{ "a newer version, with a longer message", UPGRADE_MAGIC, UPGRADE_VERSION + 1,
		  UPGRADE_HELLO, 16, "speaks version 2" },
		{ "a newer version, with a shorter message", UPGRADE_MAGIC, UPGRADE_VERSION + 1,
		  UPGRADE_HELLO, -100, "speaks version 2" },
		{ "a short message", UPGRADE_MAGIC, UPGRADE_VERSION, UPGRADE_HELLO, -1, "damaged" },
		{ "a few bytes", UPGRADE_MAGIC, UPGRADE_VERSION, UPGRADE_HELLO, -155, "no shuntd" },
		{ "no kind", UPGRADE_MAGIC, UPGRADE_VERSION, 0, 0, "damaged" },
		{ "an unknown kind", UPGRADE_MAGIC, UPGRADE_VERSION, UPGRADE_KINDS, 0, "damaged" },
	};

	FOR_ROWS (row, rows) {
		struct {
			struct upgrade_message m;
			char more[16];
		} sent = { .m = { row->magic, row->version, row->kind } };
		struct upgrade_message got;
		int ends[2], pipe_ends[2], fds[UPGRADE_FDS_MAX];
		uint32_t count = 77;
		struct err err = { "" };
		char byte;

		pair(ends);
		CHECK(pipe(pipe_ends) == 0);
		send_raw(ends[0], &sent, (size_t)((int)sizeof(sent.m) + row->more), pipe_ends[1]);
		close(pipe_ends[1]);
		CHECK_INT(upgrade_message_receive(ends[1], &got, fds, &count, &err), UPGRADE_WRONG);
		CHECK(strstr(err.text, row->says) != NULL);
		CHECK_INT(count, 77);
		CHECK_INT(read(pipe_ends[0], &byte, 1), 0); /* the last writer has gone */
		close(pipe_ends[0]);
		close(ends[0]);
		close(ends[1]);
	}
}
