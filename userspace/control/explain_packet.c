#include "userspace/control/explain_packet.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "bpf/abi/pins.h"
#include "loader/attach.h"

enum { TRIES = 5 };

/* The one that was asked for, else the first. */
static bool find_device(const char *pin_dir, const char *device, struct attached *out,
			struct err *err)
{
	struct attached there[ATTACH_DEVICES_MAX];
	uint32_t count = attach_status(pin_dir, there);

	for (uint32_t i = 0; i < count; i++) {
		if (device && strcmp(device, there[i].device) != 0)
			continue;
		if (!there[i].program_id) /* its link is of a device of another namespace */
			continue;
		*out = there[i];
		return true;
	}
	if (device && count)
		return err_set(err, "device %s has nothing of ours attached", device);
	return err_set(err,
		       "no device of this network namespace has a program that is pinned at %s; "
		       "attach first, or give another --pin-dir",
		       pin_dir);
}

static int open_map(const char *pin_dir, const char *name, uint32_t value_size, struct err *err)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", pin_dir, name);
	fd = bpf_obj_get(path);
	if (fd < 0) {
		err_sys(err, "cannot open %s", path);
		return -1;
	}
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.value_size == value_size)
		return fd;
	err_set(err, "%s was made by another version of shunt", path);
	close(fd);
	return -1;
}

/* What is run: XDP's program, or tc's. */
struct subject {
	int program;
	uint32_t ifindex; /* on which the packet comes */
	bool is_tc;
};

/* The kernel's answer, of which the first bytes are not the frame's. */
static bool take_frame(struct explained *e, const uint8_t *out, uint32_t len, uint32_t front,
		       struct err *err)
{
	if (len < front || len - front > sizeof(e->out))
		return err_set(err, "the kernel answers with %u bytes, which cannot be", len);
	e->out_len = len - front;
	memcpy(e->out, out + front, e->out_len);
	return true;
}

static bool run_failed(int rc, struct err *err)
{
	errno = -rc;
	return err_sys(err, "the kernel does not run the program on this packet");
}

static bool run_xdp(const struct subject *on, const struct explain_mark *mark,
		    const struct packet_words *packet, struct explained *e, struct err *err)
{
	uint8_t in[sizeof(*mark) + PACKET_FRAME_MAX], out[PACKET_FRAME_MAX + 256];
	size_t len = sizeof(*mark) + packet_words_build(packet, in + sizeof(*mark));
	struct xdp_md before = { .data = sizeof(*mark),
				 .data_end = (uint32_t)len,
				 .ingress_ifindex = on->ifindex };
	struct xdp_md after = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = (uint32_t)len,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &before,
		    .ctx_size_in = sizeof(before), .ctx_out = &after, .ctx_size_out = sizeof(after),
		    .repeat = 1);
	int rc;

	memcpy(in, mark, sizeof(*mark));
	rc = bpf_prog_test_run_opts(on->program, &opts);
	if (rc)
		return run_failed(rc, err);
	/* What comes out begins with the mark, which moves with the packet's head. */
	return take_frame(e, out, opts.data_size_out, after.data, err);
}

/* The mark is in the control block; all tags are in the frame, which is as good. */
static bool run_tc(const struct subject *on, const struct explain_mark *mark,
		   const struct packet_words *packet, struct explained *e, struct err *err)
{
	uint8_t in[PACKET_FRAME_MAX], out[PACKET_FRAME_MAX + 256];
	struct __sk_buff before = { .ifindex = on->ifindex,
				    .ingress_ifindex = on->ifindex,
				    .cb = { (uint32_t)mark->magic, (uint32_t)(mark->magic >> 32),
					    mark->cookie } };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in,
		    .data_size_in = (uint32_t)packet_words_build(packet, in), .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = &before, .ctx_size_in = sizeof(before),
		    .repeat = 1);
	int rc = bpf_prog_test_run_opts(on->program, &opts);

	return rc ? run_failed(rc, err) : take_frame(e, out, opts.data_size_out, 0, err);
}

/* Another explainer may run at once, and overwrite what ours was told: then again. */
static bool run_alone(const struct subject *on, int explained_fd, const struct packet_words *packet,
		      struct explained *e, struct err *err)
{
	struct explain_mark mark = { .magic = EXPLAIN_MAGIC };
	uint32_t zero = 0;

	if (getrandom(&mark.cookie, sizeof(mark.cookie), 0) != sizeof(mark.cookie))
		return err_sys(err, "there are no random bytes");
	for (int i = 0; i < TRIES; i++) {
		mark.cookie++;
		if (!(on->is_tc ? run_tc : run_xdp)(on, &mark, packet, e, err))
			return false;
		if (bpf_map_lookup_elem(explained_fd, &zero, &e->sample) == 0 &&
		    e->sample.epoch == mark.cookie)
			return true;
	}
	return err_set(err, "the program says nothing of this packet: it is of another version of "
			    "shunt, or has no settings yet");
}

static void look_around(const char *pin_dir, struct explained *e)
{
	struct splice splice;
	struct err ignored;
	int fd;

	if (e->sample.next_hop != SAMPLE_NONE) {
		fd = open_map(pin_dir, PIN_NEXT_HOPS, sizeof(e->next_hop), &ignored);
		if (fd >= 0 && bpf_map_lookup_elem(fd, &e->sample.next_hop, &e->next_hop) < 0)
			memset(&e->next_hop, 0, sizeof(e->next_hop));
		if (fd >= 0)
			close(fd);
	}
	if (e->sample.splice == SAMPLE_NONE)
		return;
	fd = open_map(pin_dir, PIN_SPLICES, sizeof(splice), &ignored);
	if (fd >= 0 && bpf_map_lookup_elem(fd, &e->sample.splice, &splice) == 0)
		e->splice_state = splice.state;
	if (fd >= 0)
		close(fd);
}

/* tc puts a tag beside the frame, where the kernel does not show it: it is the next hop's. */
static void show_tag(struct explained *e)
{
	enum { AT = 12, TAG_BYTES = 4 };
	uint16_t vlan = e->next_hop.vlan;
	uint8_t tag[TAG_BYTES] = { 0x81, 0, (uint8_t)(vlan >> 8), (uint8_t)vlan };

	if (!vlan || !e->sample.out_ifindex || e->out_len < AT ||
	    e->out_len + sizeof(tag) > sizeof(e->out) ||
	    memcmp(e->out, e->next_hop.dst_mac, sizeof(e->next_hop.dst_mac)) != 0)
		return; /* what we answer goes back without one */
	memmove(e->out + AT + sizeof(tag), e->out + AT, e->out_len - AT);
	memcpy(e->out + AT, tag, sizeof(tag));
	e->out_len += sizeof(tag);
}

bool explain_packet(const char *pin_dir, const char *device, const struct packet_words *packet,
		    struct explained *out_explained, struct err *err)
{
	struct explained *e = out_explained;
	struct attached where;
	struct subject on;
	int fd;
	bool done;

	if (!find_device(pin_dir, device, &where, err))
		return false;
	memset(e, 0, sizeof(*e));
	on = (struct subject){ bpf_prog_get_fd_by_id(where.program_id), where.ifindex,
			       where.mode == ATTACH_TC };
	if (on.program < 0)
		return err_sys(err, "cannot open program %u of device %s (it needs CAP_SYS_ADMIN)",
			       where.program_id, where.device);
	fd = open_map(pin_dir, PIN_EXPLAINED, sizeof(struct sample), err);
	done = fd >= 0 && run_alone(&on, fd, packet, e, err);
	if (fd >= 0)
		close(fd);
	close(on.program);
	if (!done)
		return false;
	e->program_id = where.program_id;
	snprintf(e->device, sizeof(e->device), "%s", where.device);
	if (e->sample.out_ifindex)
		if_indextoname(e->sample.out_ifindex, e->out_device);
	look_around(pin_dir, e);
	if (on.is_tc)
		show_tag(e);
	return true;
}
