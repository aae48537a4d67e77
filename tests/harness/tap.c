#include "tests/harness/tap.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/harness/test.h"

enum { ETH = 14, TCP_CHECK = 16, UDP_CHECK = 6 };

static int tap = -1;

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0)
		return; /* without IPv6 it is as well */
	CHECK(write(fd, text, strlen(text)) > 0);
	close(fd);
}

uint32_t tap_open(void)
{
	struct ifreq r = { .ifr_name = "tap0", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int s;

	if (unshare(CLONE_NEWNET))
		return 0;
	write_text("/proc/sys/net/ipv6/conf/default/disable_ipv6",
		   "1"); /* it says nothing itself */
	tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	if (tap < 0)
		return 0;
	CHECK_INT(ioctl(tap, TUNSETIFF, &r), 0);
	CHECK_INT(ioctl(tap, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6), 0);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	r.ifr_flags = IFF_UP;
	CHECK_INT(ioctl(s, SIOCSIFFLAGS, &r), 0);
	close(s);
	return if_nametoindex("tap0");
}

void tap_send(const struct tap_frame *f)
{
	struct iovec parts[] = { { (void *)&f->how, sizeof(f->how) },
				 { (void *)f->bytes, f->len } };

	CHECK_INT(writev(tap, parts, 2), sizeof(f->how) + f->len);
}

bool tap_take(struct tap_frame *out)
{
	struct iovec parts[] = { { &out->how, sizeof(out->how) },
				 { out->bytes, sizeof(out->bytes) } };
	ssize_t n = readv(tap, parts, 2);

	if (n < 0)
		return false;
	CHECK(n > (ssize_t)sizeof(out->how));
	out->len = (size_t)n - sizeof(out->how);
	return true;
}

/* --- what a device does ------------------------------------------------------------------------
 */

static uint32_t add(const uint8_t *at, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	if (len & 1)
		sum += (uint32_t)at[len - 1] << 8;
	return sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint16_t pseudo(const uint8_t *ip, uint32_t l4_len)
{
	if (ip[0] >> 4 == 6)
		return folded(add(ip + 8, 32, ip[6] + l4_len));
	return folded(add(ip + 12, 8, ip[9] + l4_len));
}

void tap_make_partial(struct tap_frame *f)
{
	uint8_t *ip = f->bytes + ETH;
	bool v6 = ip[0] >> 4 == 6;
	uint8_t proto = v6 ? ip[6] : ip[9];
	size_t head = v6 ? 40 : (ip[0] & 15) * 4u;

	f->how.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	f->how.csum_start = (uint16_t)(ETH + head);
	f->how.csum_offset = proto == IPPROTO_TCP ? TCP_CHECK : UDP_CHECK;
	f->how.hdr_len = (uint16_t)(ETH + head + (proto == IPPROTO_TCP ? 20 : 8));
	put16(ip + head + f->how.csum_offset, pseudo(ip, (uint32_t)(f->len - ETH - head)));
}

void tap_finish(struct tap_frame *f)
{
	uint8_t *l4 = f->bytes + f->how.csum_start;

	if (!(f->how.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return;
	put16(l4 + f->how.csum_offset, (uint16_t)~folded(add(l4, f->len - f->how.csum_start, 0)));
	f->how = (struct virtio_net_hdr){ 0 };
}

bool tap_segment(const struct tap_frame *super, uint32_t i, struct tap_frame *out)
{
	const struct virtio_net_hdr *how = &super->how;
	size_t head = how->csum_start + (super->bytes[how->csum_start + 12] >> 4) * 4u;
	size_t from = head + (size_t)i * how->gso_size, n = how->gso_size;
	uint8_t *ip = out->bytes + ETH, *tcp = out->bytes + how->csum_start;
	uint32_t seq;

	if (from >= super->len)
		return false;
	n = from + n > super->len ? super->len - from : n;
	*out = (struct tap_frame){ .how = *how, .len = head + n };
	memcpy(out->bytes, super->bytes, head);
	memcpy(out->bytes + head, super->bytes + from, n);
	memcpy(&seq, tcp + 4, sizeof(seq));
	seq = htonl(ntohl(seq) + i * how->gso_size);
	memcpy(tcp + 4, &seq, sizeof(seq));
	if (from + n < super->len)
		tcp[13] &= (uint8_t)~(TH_FIN | TH_PUSH);
	if (ip[0] >> 4 == 6) {
		put16(ip + 4, (uint32_t)(out->len - ETH - 40));
	} else {
		put16(ip + 2, (uint32_t)(out->len - ETH));
		put16(ip + 4, (uint32_t)(ip[4] << 8 | ip[5]) + i);
		put16(ip + 10, 0);
		put16(ip + 10, (uint16_t)~folded(add(ip, (ip[0] & 15) * 4u, 0)));
	}
	put16(tcp + TCP_CHECK, pseudo(ip, (uint32_t)(out->len - how->csum_start)));
	tap_finish(out);
	return true;
}
