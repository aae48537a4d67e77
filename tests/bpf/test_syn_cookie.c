/* SYNs for listeners of the proxy that xdp_ingress answers: what the answers look like, whether the
 * kernel believes in their cookies, and what is left to the stack. */
#include "tests/harness/l4_maps.h"
#include "tests/harness/program_run.h"
#include "tests/harness/test.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bpf/abi/guard.h"
#include "bpf/abi/sizes.h"

enum {
	WEB_PORT = 80,
	ROW = 3,
	GUARD = 5,
	WSCALE = 9, /* which the kernel would have chosen, as shuntd found out */
	SYN = 2,
	SYN_ACK = 18,
	SEQ = 1000,
	MAC_BYTES = 14,
	TCP_BYTES = 20,
};

#define WEB  "203.0.113.80"
#define WEB6 "2001:db8:53::80"
#define SYN4(...)                                                                                  \
	TCP4(.src = L4_CLIENT, .dst = WEB, .sport = 4000, .dport = WEB_PORT, .flags = SYN,         \
	     .seq = SEQ, __VA_ARGS__)
#define SYN6(...)                                                                                  \
	TCP4(.src = L4_CLIENT6, .dst = WEB6, .sport = 4000, .dport = WEB_PORT, .flags = SYN,       \
	     .seq = SEQ, __VA_ARGS__)
#define OPTIONS(bytes) .tcp_options = (const uint8_t *)(bytes), .tcp_options_len = sizeof(bytes) - 1

/* Of clients. */
#define MSS      "\x02\x04\x05\xb4"
#define WS       "\x01\x03\x03\x07"
#define SACK     "\x01\x01\x04\x02"
#define STAMP    "\x01\x01\x08\x0a\x11\x22\x33\x44\x00\x00\x00\x00"
#define AS_LINUX "\x02\x04\x05\xb4\x04\x02\x08\x0a\x11\x22\x33\x44\x00\x00\x00\x00\x01\x03\x03\x07"

static struct guard_entry *guard_of(uint32_t half)
{
	static struct guard_entry *all;
	size_t bytes = 2 * GUARDS_MAX * sizeof(*all);

	if (!all)
		all = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			   bpf_map__fd(program_load()->maps.shunt_guards), 0);
	CHECK(all != MAP_FAILED);
	return &all[half * GUARDS_MAX + GUARD];
}

static void forget_sources(void)
{
	static const struct guard_line none;

	for (uint32_t i = 0; i < GUARD_LINES; i++)
		program_set(program_load()->maps.shunt_guard_sources, &i, &none);
}

static struct vip_key key_of(const char *ip)
{
	struct vip_key key = { .port = htons(WEB_PORT), .proto = IPPROTO_TCP };

	l4_ip(key.addr, ip);
	return key;
}

static void set_vip(const char *ip)
{
	struct vip_key key = key_of(ip);

	maps_vip(program_maps(), &key, VIP_L7, ROW);
	l4_addr(ip, ADDR_STACK | ADDR_COOKIES);
	maps_guard(program_maps(), key.addr, GUARD);
	maps_press(program_maps(), &key, false);
}

/* So many SYNs are the stack's; no time passes that counts. */
static void configure(uint32_t flags, uint32_t cookies, uint64_t left)
{
	for (uint32_t half = 0; half < 2; half++)
		*guard_of(half) = (struct guard_entry){
			.flags = flags,
			.number = GUARD,
			.cookies = cookies ? GUARD_COOKIES | WSCALE | cookies : 0,
			.syns = { 1ull << 48, left << 48 },
		};
	set_vip(WEB);
	set_vip(WEB6);
	forget_sources();
}

/* Where IP begins, and TCP; and where an answer ends. */
struct shape {
	size_t ip, tcp, end;
};

static struct shape shape_of(const struct packet *p, size_t options)
{
	size_t ip = MAC_BYTES + 4u * p->vlan_tags;
	size_t tcp = ip + (strchr(p->src, ':') ? 40 : 20);

	return (struct shape){ ip, tcp, tcp + TCP_BYTES + options };
}

static uint32_t word(const uint8_t *at)
{
	uint32_t be;

	memcpy(&be, at, sizeof(be));
	return ntohl(be);
}

static void check_addresses(const struct packet *p, const uint8_t *frame, struct shape at)
{
	size_t len = strchr(p->src, ':') ? 16 : 4, src = at.ip + (len == 16 ? 8 : 12);
	__be32 from[4], to[4];

	l4_ip(from, p->dst);
	l4_ip(to, p->src);
	CHECK(memcmp(frame + src, (uint8_t *)from + 16 - len, len) == 0);
	CHECK(memcmp(frame + src + len, (uint8_t *)to + 16 - len, len) == 0);
	CHECK(memcmp(frame, packet_src_mac, 6) == 0);
	CHECK(memcmp(frame + 6, packet_dst_mac, 6) == 0);
}

/* A SYN-ACK to where p came from. */
static void check_answer(const struct packet *p, const struct outcome *o, size_t options)
{
	struct shape at = shape_of(p, options);
	const uint8_t *tcp = o->bytes + at.tcp;
	uint8_t untagged[PACKET_BYTES_MAX];

	CHECK_INT(o->len, at.end);
	check_addresses(p, o->bytes, at);
	CHECK_INT(word(tcp), (uint32_t)p->dport << 16 | p->sport);
	CHECK_INT(word(tcp + 8), p->seq + 1);
	CHECK_INT(tcp[12], (TCP_BYTES + options) / 4 << 4);
	CHECK_INT(tcp[13], SYN_ACK);
	memcpy(untagged, o->bytes, 12);
	memcpy(untagged + 12, o->bytes + at.ip - 2, o->len - (at.ip - 2));
	CHECK(packet_sums_are_right(untagged, o->len - 4u * p->vlan_tags));
}

/* The stamp says what the kernel must know later, and is of now or shortly before. */
static void check_stamp(const uint8_t *option, uint8_t low, const char *echoed)
{
	struct timespec now;
	uint32_t ms, stamp = word(option + 2);

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
	CHECK_INT(option[0], 8);
	CHECK_INT(option[1], 10);
	CHECK_INT(stamp & 63, low);
	CHECK((int32_t)(ms - stamp) >= 0 && ms - stamp < 600000);
	CHECK(memcmp(option + 6, echoed, 4) == 0);
}

struct wanted {
	uint16_t mss;
	bool full; /* with a stamp, and what it allows */
	bool sack, wscale;
	uint8_t low; /* of the stamp */
};

static void check_options(const uint8_t *at, const struct wanted *w)
{
	static const uint8_t nops[] = { 1, 1, 1, 1 }, sack[] = { 4, 2 },
			     wscale[] = { 1, 3, 3, WSCALE };

	CHECK_INT(at[0], 2);
	CHECK_INT(at[1], 4);
	CHECK_INT(at[2] << 8 | at[3], w->mss);
	if (!w->full)
		return;
	CHECK(memcmp(at + 4, w->sack ? sack : nops, 2) == 0);
	check_stamp(at + 6, w->low, "\x11\x22\x33\x44");
	CHECK(memcmp(at + 16, w->wscale ? wscale : nops, 4) == 0);
}

TEST(a_syn_is_answered_with_what_both_sides_can_do)
{
	static const struct {
		const char *name;
		struct packet syn;
		struct wanted wanted;
	} rows[] = {
		{ "no options", SYN4(), { .mss = 536 } },
		{ "a segment size", SYN4(OPTIONS(MSS)), { .mss = 1460 } },
		{ "one that is between two of the kernel's",
		  SYN4(OPTIONS("\x02\x04\x05\xb3")),
		  { .mss = 1440 } },
		{ "one of jumbo frames", SYN4(OPTIONS("\x02\x04\x23\x28")), { .mss = 1460 } },
		{ "one that is too small", SYN4(OPTIONS("\x02\x04\x00\x01")), { .mss = 536 } },
		{ "scale and SACK without a stamp", SYN4(OPTIONS(MSS WS SACK)), { .mss = 1460 } },
		{ "as Linux", SYN4(OPTIONS(AS_LINUX)), { 1460, true, true, true, 16 | 7 } },
		{ "a stamp alone", SYN4(OPTIONS(STAMP)), { 536, true, false, false, 15 } },
		{ "a stamp and SACK",
		  SYN4(OPTIONS(MSS SACK STAMP)),
		  { 1460, true, true, false, 16 | 15 } },
		{ "a stamp and a scale",
		  SYN4(OPTIONS(MSS STAMP WS)),
		  { 1460, true, false, true, 7 } },
		{ "a scale of none",
		  SYN4(OPTIONS(STAMP "\x01\x03\x03\x00")),
		  { 536, true, false, true, 0 } },
		{ "a scale that is too large",
		  SYN4(OPTIONS(STAMP "\x01\x03\x03\xff")),
		  { 536, true, false, true, 14 } },
		{ "as many options as there can be",
		  SYN4(OPTIONS(MSS WS SACK STAMP STAMP "\1\1\1\1")),
		  { 1460, true, true, true, 16 | 7 } },
		{ "an unknown one",
		  SYN4(OPTIONS(MSS "\x22\x06\1\2\3\4\1\1" STAMP)),
		  { 1460, true, false, false, 15 } },
		{ "behind the end", SYN4(OPTIONS(MSS "\0\1\1\1" STAMP)), { .mss = 1460 } },
		{ "one that is too long", SYN4(OPTIONS(MSS "\x08\x0a\x11\x22")), { .mss = 1460 } },
		{ "one without length", SYN4(OPTIONS(MSS "\x05\0\1\1" STAMP)), { .mss = 1460 } },
		{ "one without a length byte", SYN4(OPTIONS(MSS "\1\1\1\x08")), { .mss = 1460 } },
		{ "with data", SYN4(OPTIONS(MSS), .payload = "hello"), { .mss = 1460 } },
		{ "in a padded frame", SYN4(OPTIONS(MSS), .pad = 6), { .mss = 1460 } },
		{ "that would do ECN", SYN4(OPTIONS(MSS), .flags = 0xc2), { .mss = 1460 } },
		{ "in a VLAN",
		  SYN4(OPTIONS(AS_LINUX), .vlan_tags = 1),
		  { 1460, true, true, true, 16 | 7 } },
		{ "in two", SYN4(OPTIONS(MSS), .vlan_tags = 2), { .mss = 1460 } },
		{ "IPv6, no options", SYN6(), { .mss = 1220 } },
		{ "IPv6, a segment size", SYN6(OPTIONS("\x02\x04\x05\xa0")), { .mss = 1440 } },
		{ "IPv6, between", SYN6(OPTIONS("\x02\x04\x05\x9f")), { .mss = 1420 } },
		{ "IPv6, as Linux", SYN6(OPTIONS(AS_LINUX)), { 1440, true, true, true, 16 | 7 } },
		{ "IPv6 in a VLAN",
		  SYN6(OPTIONS(MSS STAMP), .vlan_tags = 1),
		  { 1440, true, false, false, 15 } },
		{ "IPv6 with data", SYN6(OPTIONS(MSS), .payload = "hello"), { .mss = 1440 } },
	};

	NEED_L4_MAPS;
	configure(GUARD_ENFORCE, GUARD_COOKIE_STAMPS, 0);
	FOR_ROWS (row, rows) {
		struct counters before = program_counters();
		struct outcome o = program_run(&row->syn);
		size_t options = row->wanted.full ? 20 : 4;

		CHECK_INT(o.fate, XDP_TX);
		check_only_counted(&before, COUNT_COOKIE_SENT);
		check_answer(&row->syn, &o, options);
		check_options(o.bytes + shape_of(&row->syn, 0).end, &row->wanted);
	}
}

TEST(without_the_kernels_stamps_nothing_is_promised_that_it_would_forget)
{
	const struct packet syn = SYN4(OPTIONS(AS_LINUX)), syn6 = SYN6(OPTIONS(AS_LINUX));
	const struct wanted wanted = { .mss = 1460 }, wanted6 = { .mss = 1440 };
	struct outcome o;

	NEED_L4_MAPS;
	configure(GUARD_ENFORCE, GUARD_COOKIES, 0);
	o = program_run(&syn);
	check_answer(&syn, &o, 4);
	check_options(o.bytes + shape_of(&syn, 0).end, &wanted);
	o = program_run(&syn6);
	check_answer(&syn6, &o, 4);
	check_options(o.bytes + shape_of(&syn6, 0).end, &wanted6);
}

TEST(what_cannot_or_need_not_be_answered_is_the_stacks)
{
	enum { ON = GUARD_ENFORCE };
	static const struct {
		const char *name;
		struct packet packet;
		uint32_t flags, cookies;
		int fate;
		enum counter counted;
	} rows[] = {
		{ "an ACK", SYN4(.flags = 16), ON, GUARD_COOKIES, XDP_PASS, COUNT_TO_STACK },
		{ "a RST", SYN4(.flags = 4), ON, GUARD_COOKIES, XDP_PASS, COUNT_TO_STACK },
		{ "a FIN", SYN4(.flags = 17), ON, GUARD_COOKIES, XDP_PASS, COUNT_TO_STACK },
		{ "a SYN-ACK", SYN4(.flags = 18), ON, GUARD_COOKIES, XDP_PASS, COUNT_TO_STACK },
		{ "a SYN with RST", SYN4(.flags = 6), ON, GUARD_COOKIES, XDP_DROP,
		  COUNT_BAD_FLAGS },
		{ "options of IPv4", SYN4(.ip_options = 4), ON, GUARD_COOKIES, XDP_PASS,
		  COUNT_TO_STACK },
		{ "headers of IPv6", SYN6(.hop_headers = 1), ON, GUARD_COOKIES, XDP_PASS,
		  COUNT_TO_STACK },
		{ "of the vip itself", SYN4(.src = WEB), ON, GUARD_COOKIES, XDP_DROP, COUNT_LAND },
		{ "no cookies", SYN4(), ON, 0, XDP_PASS, COUNT_TO_STACK },
		{ "no cookies, IPv6", SYN6(), ON, 0, XDP_PASS, COUNT_TO_STACK },
	};

	NEED_L4_MAPS;
	FOR_ROWS (row, rows) {
		struct counters before;

		configure(row->flags, row->cookies, 0);
		before = program_counters();
		CHECK_INT(program_run(&row->packet).fate, row->fate);
		check_only_counted(&before, row->counted);
	}
}

TEST(an_observed_one_is_the_stacks_and_counted_beside)
{
	struct counters before, now;

	NEED_L4_MAPS;
	configure(0, GUARD_COOKIES, 0);
	before = program_counters();
	CHECK_INT(program_run(&SYN4()).fate, XDP_PASS);
	now = program_counters();
	CHECK_INT(now.n[COUNT_COOKIE_SEEN] - before.n[COUNT_COOKIE_SEEN], 1);
	CHECK_INT(now.n[COUNT_TO_STACK] - before.n[COUNT_TO_STACK], 1);
	CHECK_INT(now.n[COUNT_COOKIE_SENT] - before.n[COUNT_COOKIE_SENT], 0);
}

TEST(the_stack_gets_as_many_as_it_can_bear_of_each_listener)
{
	NEED_L4_MAPS;
	configure(GUARD_ENFORCE, GUARD_COOKIES, 3);
	for (int i = 0; i < 3; i++)
		CHECK_INT(program_run(&SYN4(.src = i & 1 ? "198.51.100.9" : L4_CLIENT)).fate,
			  XDP_PASS);
	for (int i = 0; i < 10; i++)
		CHECK_INT(program_run(&SYN4()).fate, XDP_TX);
	CHECK_INT(program_run(&SYN6()).fate, XDP_PASS); /* another listener */
}

/* The stack gets one now and then even so, hence the limit in place of a number. */
TEST(a_listener_whose_queue_fills_gets_next_to_none_whatever_the_rate)
{
	struct vip_key key = key_of(WEB);
	uint32_t passed = 0;

	NEED_L4_MAPS;
	configure(GUARD_ENFORCE, GUARD_COOKIES, 1 << 14);
	for (int i = 0; i < 10; i++)
		CHECK_INT(program_run(&SYN4()).fate, XDP_PASS);
	forget_sources();
	maps_press(program_maps(), &key, true);
	while (passed < 1000 && program_run(&SYN4()).fate == XDP_PASS)
		passed++;
	CHECK(passed >= 1 && passed < 1000);
	CHECK_INT(program_run(&SYN6()).fate, XDP_PASS);
	maps_press(program_maps(), &key, false);
	forget_sources();
	for (int i = 0; i < 10; i++)
		CHECK_INT(program_run(&SYN4()).fate, XDP_PASS);
}

/* An XDP program of a few words that asks the kernel whether a frame's ACK has a cookie of its own:
 * 2 yes, 1 no. */
static int believer_load(bool v6)
{
	const int head = v6 ? 40 : 20, call = v6 ? BPF_FUNC_tcp_raw_check_syncookie_ipv6
						 : BPF_FUNC_tcp_raw_check_syncookie_ipv4;
	const struct bpf_insn program[] = {
		{ .code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = 6, .src_reg = 1, .off = 0 },
		{ .code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = 7, .src_reg = 1, .off = 4 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 6 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = MAC_BYTES + head + 20 },
		{ .code = BPF_JMP | BPF_JGT | BPF_X, .dst_reg = 2, .src_reg = 7, .off = 9 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 6 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 1, .imm = MAC_BYTES },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 1 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = head },
		{ .code = BPF_JMP | BPF_CALL, .imm = call },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 2 },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 1, .imm = 0, .off = 1 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "believer", "GPL", program,
			       sizeof(program) / sizeof(program[0]), NULL);

	CHECK(fd >= 0);
	return fd;
}

static bool believes(int believer, const struct packet *ack)
{
	uint8_t frame[PACKET_BYTES_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame,
		    .data_size_in = (uint32_t)packet_build(ack, frame), .repeat = 1);

	CHECK_INT(bpf_prog_test_run_opts(believer, &run), 0);
	return run.retval == 2;
}

static void check_cookie(struct packet syn)
{
	struct outcome o = program_run(&syn);
	uint32_t cookie = word(o.bytes + shape_of(&syn, 0).tcp + 4);
	struct packet ack = syn, wrong;
	int believer = believer_load(strchr(syn.src, ':') != NULL);

	ack.flags = 16;
	ack.seq = SEQ + 1;
	ack.ack = cookie + 1;
	ack.tcp_options_len = 0;
	CHECK(believes(believer, &ack));
	CHECK(believes(believer, &ack)); /* a cookie is not used up: the kernel looks for sockets */
	wrong = ack;
	wrong.ack = cookie + 0x1000001;
	CHECK(!believes(believer, &wrong));
	wrong = ack;
	wrong.seq = SEQ + 0x2000001;
	CHECK(!believes(believer, &wrong));
	wrong = ack;
	wrong.sport = 4001;
	CHECK(!believes(believer, &wrong));
	close(believer);
	CHECK_INT(program_run(&ack).fate, XDP_PASS);
}

TEST(the_kernel_believes_in_the_cookie_for_this_connection_alone)
{
	NEED_L4_MAPS;
	configure(GUARD_ENFORCE, GUARD_COOKIE_STAMPS, 0);
	check_cookie(SYN4());
	check_cookie(SYN4(OPTIONS(AS_LINUX)));
	check_cookie(SYN6(OPTIONS(MSS)));
	check_cookie(SYN6(OPTIONS(AS_LINUX), .payload = "hello"));
}
