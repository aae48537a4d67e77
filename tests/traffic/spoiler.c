/*
 * spoiler - loses, doubles and reorders the TCP packets that leave a device, until its input ends.
 *
 *   spoiler OBJECT DEVICE SEED LOSE DOUBLE HOLD
 *
 * Of a million packets LOSE are lost, DOUBLE sent twice, and HOLD held back for up to HOLD_MAX_US:
 * those behind overtake them. These go by a TAP device, and from here out of the device again. At
 * the end prints how many it were of each.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HOLD_MAX_US = 3000, ROOM = 256, FRAME_MAX = 70000 };

struct held {
	uint64_t due_us;
	ssize_t len;
	char frame[FRAME_MAX];
};

static struct held *room[ROOM];

static void must(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int room_open(int *out_ifindex)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK), s = socket(AF_INET, SOCK_DGRAM, 0);

	must(fd >= 0 && ioctl(fd, TUNSETIFF, &r) == 0, "tun");
	*out_ifindex = (int)if_nametoindex(r.ifr_name);
	r.ifr_flags = IFF_UP;
	must(ioctl(s, SIOCSIFFLAGS, &r) == 0, "tun up");
	close(s);
	return fd;
}

static struct bpf_object *load(const char *path, char **words, int waiting_room)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	uint32_t rules[5] = { 0 };
	struct bpf_map *map;

	must(object != NULL, path);
	for (int i = 0; i < 3; i++)
		rules[i] = (uint32_t)atoi(words[1 + i]);
	rules[3] = (uint32_t)atoi(words[0]);
	rules[4] = (uint32_t)waiting_room;
	map = bpf_object__find_map_by_name(object, ".rodata");
	must(map && bpf_map__set_initial_value(map, rules, sizeof(rules)) == 0, ".rodata");
	must(bpf_object__load(object) == 0, "load");
	return object;
}

static int wire_open(int ifindex)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = ifindex };
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1;

	must(fd >= 0 && bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0, "packet socket");
	/* Not by the program again. */
	must(setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) == 0, "bypass");
	return fd;
}

/* Frames that find the room full go on at once. */
static void take_in(int tap, int wire)
{
	static struct held next;

	for (;;) {
		int i = 0;

		next.len = read(tap, next.frame, sizeof(next.frame));
		if (next.len <= 0)
			return;
		next.due_us = now_us() + (uint64_t)rand() % HOLD_MAX_US;
		while (i < ROOM && room[i]->len)
			i++;
		if (i == ROOM)
			send(wire, next.frame, (size_t)next.len, 0);
		else
			memcpy(room[i], &next, offsetof(struct held, frame) + (size_t)next.len);
	}
}

static void let_out(int wire)
{
	uint64_t now = now_us();

	for (int i = 0; i < ROOM; i++)
		if (room[i]->len && room[i]->due_us <= now) {
			send(wire, room[i]->frame, (size_t)room[i]->len, 0);
			room[i]->len = 0;
		}
}

static int any_held(void)
{
	for (int i = 0; i < ROOM; i++)
		if (room[i]->len)
			return 1;
	return 0;
}

static void report(struct bpf_object *object)
{
	int map = bpf_object__find_map_fd_by_name(object, "spoilt");
	uint64_t n[4] = { 0 };

	for (uint32_t i = 0; i < 4; i++)
		bpf_map_lookup_elem(map, &i, &n[i]);
	printf("{\"lost\": %lu, \"doubled\": %lu, \"held\": %lu, \"packets\": %lu}\n", n[0], n[1],
	       n[2], n[3]);
}

int main(int argc, char **argv)
{
	int ifindex = argc == 7 ? (int)if_nametoindex(argv[2]) : 0, waiting_room, tap, wire;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts);
	struct bpf_object *object;
	struct pollfd on[2];

	must(ifindex > 0, "OBJECT DEVICE SEED LOSE DOUBLE HOLD");
	for (int i = 0; i < ROOM; i++)
		must((room[i] = calloc(1, sizeof(*room[i]))) != NULL, "memory");
	tap = room_open(&waiting_room);
	wire = wire_open(ifindex);
	object = load(argv[1], argv + 3, waiting_room);
	opts.prog_fd = bpf_program__fd(bpf_object__find_program_by_name(object, "spoil"));
	libbpf_set_print(NULL);
	bpf_tc_hook_create(&hook); /* by the one before, perhaps */
	must(bpf_tc_attach(&hook, &opts) == 0, "attach");
	puts("ready");
	fflush(stdout);
	on[0] = (struct pollfd){ .fd = tap, .events = POLLIN };
	on[1] = (struct pollfd){ .fd = 0, .events = POLLIN };
	while (poll(on, 2, any_held() ? 1 : 1000) >= 0 && !on[1].revents) {
		take_in(tap, wire);
		let_out(wire);
	}
	opts.prog_fd = 0;
	opts.prog_id = 0;
	opts.flags = 0;
	must(bpf_tc_detach(&hook, &opts) == 0, "detach");
	report(object);
	return 0;
}
