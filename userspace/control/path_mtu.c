#include "userspace/control/path_mtu.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADERS_V4 = 40, HEADERS_V6 = 60, SEGMENT_LEAST = 536, WRAP_V4 = 50, WRAP_V6 = 70 };

/* Connecting a UDP socket looks up the route, and sends nothing. */
static uint32_t path_mtu(const struct addr *to)
{
	bool v4 = addr_is_v4(to);
	struct sockaddr_storage at;
	socklen_t at_len = addr_to_sockaddr(to, &at), len = sizeof(int);
	int fd = socket(at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int mtu = 0;

	if (fd < 0)
		return 0;
	if (connect(fd, (struct sockaddr *)&at, at_len) < 0 ||
	    getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu, &len) < 0)
		mtu = 0;
	close(fd);
	return mtu > 0 ? (uint32_t)mtu : 0;
}

uint32_t path_mtu_max_segment(const struct model *model)
{
	uint32_t least = 0;

	for (uint32_t i = 0; i < model->upstream_count; i++)
		for (uint32_t k = 0; k < model->upstreams[i].endpoint_count; k++) {
			const struct endpoint *e = &model->upstreams[i].endpoints[k];
			uint32_t headers = addr_is_v4(&e->address) ? HEADERS_V4 : HEADERS_V6;
			uint32_t mtu = path_mtu(e->vpc ? &e->host : &e->address);

			if (e->vpc && mtu > WRAP_V6)
				mtu -= addr_is_v4(&e->host) ? WRAP_V4 : WRAP_V6;
			if (mtu >= SEGMENT_LEAST + headers && (!least || mtu - headers < least))
				least = mtu - headers;
		}
	return least;
}
