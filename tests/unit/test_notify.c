#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/control/notify.h"

static ssize_t received(int fd, char *to, size_t size)
{
	ssize_t n = recv(fd, to, size - 1, MSG_DONTWAIT);

	to[n > 0 ? n : 0] = '\0';
	return n;
}

TEST(the_service_manager_is_told_at_a_path_and_in_the_abstract_namespace)
{
	static const struct {
		const char *name;
		bool abstract;
	} rows[] = { { "a path", false }, { "an abstract name", true } };

	FOR_ROWS (row, rows) {
		struct sockaddr_un at = { .sun_family = AF_UNIX };
		int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
		char path[64], got[64];

		snprintf(path, sizeof(path), "/tmp/test_notify.%d", (int)getpid());
		strcpy(at.sun_path, path);
		if (row->abstract)
			at.sun_path[0] = '\0';
		CHECK(bind(fd, (struct sockaddr *)&at,
			   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) ==
		      0);
		if (row->abstract)
			path[0] = '@';
		setenv("NOTIFY_SOCKET", path, 1);
		notify_send("READY=1");
		CHECK_INT(received(fd, got, sizeof(got)), 7);
		CHECK_STR(got, "READY=1");
		close(fd);
		unlink(path);
	}
	unsetenv("NOTIFY_SOCKET");
}

TEST(without_or_with_an_absurd_address_nothing_happens)
{
	static const char *const absurd[] = { "", "x", "relative/path", "/nowhere/socket" };

	unsetenv("NOTIFY_SOCKET");
	notify_send("READY=1");
	for (size_t i = 0; i < sizeof(absurd) / sizeof(*absurd); i++) {
		setenv("NOTIFY_SOCKET", absurd[i], 1);
		notify_send("READY=1");
	}
	unsetenv("NOTIFY_SOCKET");
}

TEST(a_manager_that_does_not_read_stops_nobody)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), other = socket(AF_UNIX, SOCK_DGRAM, 0);
	char name[64], got[64];
	socklen_t len;
	int sent = 0;

	snprintf(name, sizeof(name), "@test_notify.full.%d", (int)getpid());
	strcpy(at.sun_path + 1, name + 1);
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	CHECK(bind(fd, (struct sockaddr *)&at, len) == 0);
	while (sendto(other, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&at, len) == 1)
		sent++;
	setenv("NOTIFY_SOCKET", name, 1);
	notify_send("READY=1");
	while (received(fd, got, sizeof(got)) > 0)
		sent--;
	CHECK_INT(sent, 0);
	notify_send("READY=1");
	CHECK_INT(received(fd, got, sizeof(got)), 7);
	unsetenv("NOTIFY_SOCKET");
	close(other);
	close(fd);
}
