#include "tests/harness/tc_run.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

#include "bpf/abi/driver.h"
#include "tc_driver.skel.h"
#include "tests/harness/test.h"

enum { FRAME_BYTES_MIN = ETH_HLEN + sizeof(struct ipv6hdr) };

static struct tc_driver *driver;

/* What the loader would set; both programs have the same there. */
static void share_constants(struct xdp_ingress *x)
{
	CHECK_INT(sizeof(*driver->rodata), sizeof(*x->rodata));
	memcpy(driver->rodata, x->rodata, sizeof(*x->rodata));
}

void tc_share_maps(struct bpf_object *to, const struct xdp_ingress *x)
{
	struct bpf_map *map, *theirs;

	bpf_object__for_each_map(map, to)
	{
		if (bpf_map__is_internal(map)) /* constants */
			continue;
		bpf_map__set_pin_path(map, NULL);
		theirs = bpf_object__find_map_by_name(x->obj, bpf_map__name(map));
		CHECK(theirs);
		CHECK_INT(bpf_map__reuse_fd(map, bpf_map__fd(theirs)), 0);
	}
}

bool tc_load(struct xdp_ingress *x)
{
	int err;

	driver = tc_driver__open();
	share_constants(x);
	tc_share_maps(driver->obj, x);
	err = tc_driver__load(driver);
	if (err)
		tc_driver__destroy(driver);
	CHECK(err == 0 || err == -EPERM); /* else the program's fault, and no skip */
	return err == 0;
}

static int fate_of(uint32_t action, const struct __sk_buff *after, bool explained)
{
	if (explained)
		return (int)action;
	switch ((int)action) {
	case TC_ACT_UNSPEC:
		return XDP_PASS;
	case TC_ACT_SHOT:
		return XDP_DROP;
	case TC_ACT_REDIRECT:
		return after->cb[DRIVER_OUT] == RUN_IFINDEX ? XDP_TX : XDP_REDIRECT;
	default:
		test_fail(__FILE__, __LINE__, "tc_ingress answers %d", (int)action);
		return -1;
	}
}

static void put_tag_inside(struct outcome *out, uint32_t tag)
{
	enum { AT = 2 * ETH_ALEN };
	const uint8_t bytes[] = { (uint8_t)(tag >> 24), (uint8_t)(tag >> 16), (uint8_t)(tag >> 8),
				  (uint8_t)tag };

	CHECK(out->len + sizeof(bytes) <= sizeof(out->bytes));
	memmove(out->bytes + AT + sizeof(bytes), out->bytes + AT, out->len - AT);
	memcpy(out->bytes + AT, bytes, sizeof(bytes));
	out->len += sizeof(bytes);
}

struct outcome tc_run(const uint8_t *frame, size_t len, const struct explain_mark *mark)
{
	uint8_t longer[FRAME_BYTES_MIN] = { 0 };
	bool cut = len < sizeof(longer);
	struct __sk_buff in = { .ifindex = RUN_IFINDEX }, after = { 0 };
	struct outcome out = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = cut ? longer : frame,
		    .data_size_in = cut ? sizeof(longer) : (uint32_t)len, .data_out = out.bytes,
		    .data_size_out = sizeof(out.bytes), .ctx_in = &in, .ctx_size_in = sizeof(in),
		    .ctx_out = &after, .ctx_size_out = sizeof(after), .repeat = 1);

	if (cut) {
		memcpy(longer, frame, len);
		in.cb[DRIVER_CUT] = (uint32_t)len;
	}
	if (mark) {
		in.cb[0] = (uint32_t)mark->magic;
		in.cb[1] = (uint32_t)(mark->magic >> 32);
		in.cb[2] = mark->cookie;
	}
	CHECK_INT(bpf_prog_test_run_opts(bpf_program__fd(driver->progs.tc_driver), &opts), 0);
	out.fate = fate_of(opts.retval, &after, mark && mark->magic == EXPLAIN_MAGIC);
	out.len = opts.data_size_out;
	if (after.cb[DRIVER_TAG])
		put_tag_inside(&out, after.cb[DRIVER_TAG]);
	return out;
}
