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

static bool run(int program, uint32_t ifindex, const struct explain_mark *mark,
		const struct packet_words *packet, struct explained *e, struct err *err)
{
	uint8_t in[sizeof(*mark) + PACKET_FRAME_MAX], out[PACKET_FRAME_MAX + 256];
	size_t len = sizeof(*mark) + packet_words_build(packet, in + sizeof(*mark));
	struct xdp_md before = { .data = sizeof(*mark),
				 .data_end = (uint32_t)len,
				 .ingress_ifindex = ifindex };
	struct xdp_md after = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = (uint32_t)len,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &before,
		    .ctx_size_in = sizeof(before), .ctx_out = &after, .ctx_size_out = sizeof(after),
		    .repeat = 1);
	int rc;

	memcpy(in, mark, sizeof(*mark));
	rc = bpf_prog_test_run_opts(program, &opts);
	if (rc) {
		errno = -rc;
		return err_sys(err, "the kernel does not run the program on this packet");
	}
	/* What comes out begins with the mark, which moves with the packet's head. */
	if (opts.data_size_out < after.data || opts.data_size_out - after.data > sizeof(e->out))
		return err_set(err, "the kernel answers with %u bytes, which cannot be",
			       opts.data_size_out);
	e->out_len = opts.data_size_out - after.data;
	memcpy(e->out, out + after.data, e->out_len);
	return true;
}

/* Another explainer may run at once, and overwrite what ours was told: then again. */
static bool run_alone(int program, int explained_fd, uint32_t ifindex,
		      const struct packet_words *packet, struct explained *e, struct err *err)
{
	struct explain_mark mark = { .magic = EXPLAIN_MAGIC };
	uint32_t zero = 0;

	if (getrandom(&mark.cookie, sizeof(mark.cookie), 0) != sizeof(mark.cookie))
		return err_sys(err, "there are no random bytes");
	for (int i = 0; i < TRIES; i++) {
		mark.cookie++;
		if (!run(program, ifindex, &mark, packet, e, err))
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

bool explain_packet(const char *pin_dir, const char *device, const struct packet_words *packet,
		    struct explained *out_explained, struct err *err)
{
	struct explained *e = out_explained;
	struct attached where;
	int program, fd;
	bool done;

	if (!find_device(pin_dir, device, &where, err))
		return false;
	if (where.mode == ATTACH_TC)
		return err_set(err,
			       "device %s is attached by tc, packets are explained for XDP only",
			       where.device);
	memset(e, 0, sizeof(*e));
	program = bpf_prog_get_fd_by_id(where.program_id);
	if (program < 0)
		return err_sys(err, "cannot open program %u of device %s (it needs CAP_SYS_ADMIN)",
			       where.program_id, where.device);
	fd = open_map(pin_dir, PIN_EXPLAINED, sizeof(struct sample), err);
	done = fd >= 0 && run_alone(program, fd, where.ifindex, packet, e, err);
	if (fd >= 0)
		close(fd);
	close(program);
	if (!done)
		return false;
	e->program_id = where.program_id;
	snprintf(e->device, sizeof(e->device), "%s", where.device);
	if (e->sample.out_ifindex)
		if_indextoname(e->sample.out_ifindex, e->out_device);
	look_around(pin_dir, e);
	return true;
}
