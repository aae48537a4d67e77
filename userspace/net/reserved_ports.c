#include "userspace/net/reserved_ports.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/log.h"

#define RESERVED_PORTS "/proc/sys/net/ipv4/ip_local_reserved_ports"

/* The list as it is; false: it cannot be read. */
static bool read_all(char *all, size_t size)
{
	int fd = open(RESERVED_PORTS, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, all, size - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return false;
	all[n] = 0;
	all[strcspn(all, "\n")] = 0;
	return true;
}

static bool write_all(const char *all)
{
	int fd = open(RESERVED_PORTS, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, all, strlen(all)) == (ssize_t)strlen(all);

	if (fd >= 0)
		close(fd);
	return done;
}

void reserved_ports_add(uint16_t first, uint16_t last)
{
	char range[32], all[4096];

	snprintf(range, sizeof(range), "%u-%u", first, last);
	if (read_all(all, sizeof(all) - sizeof(range) - 1)) {
		if (strstr(all, range))
			return;
		strcat(all, all[0] ? "," : "");
		strcat(all, range);
		if (write_all(all))
			return;
	}
	log_line(LOG_WARNING,
		 "cannot reserve ports %s in " RESERVED_PORTS " (%s): other programs of this host "
		 "must keep off them; set net.ipv4.ip_local_reserved_ports=%s by sysctl",
		 range, strerror(errno), range);
}
