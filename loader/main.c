/* shunt-loader: short-lived and privileged; attaches, pins, and leaves. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/abi/pins.h"
#include "loader/attach.h"
#include "loader/check_device.h"
#include "loader/probe.h"
#include "loader/sizing.h"

enum { DONE, REFUSED, WRONG_USAGE };

static const char help[] =
	"usage: shunt-loader COMMAND [OPTION...]\n"
	"\n"
	"  attach    load the programs, pin them, attach them to devices\n"
	"  upgrade   the same for devices that are attached: replace without a gap\n"
	"  detach    undo it: from one device, or from all, and remove the pins\n"
	"  status    what is attached\n"
	"  check     what this kernel can do, and what is lost without it\n"
	"  check DEV what breaks XDP on a device, what would make it faster, and how to mend it\n"
	"\n"
	"  --dev DEVICE      may be given several times\n"
	"  --mode MODE       native, generic, tc, or auto (native, or tc where packets come as\n"
	"                    super-packets)\n"
	"  --pin-dir DIR     below a bpffs (" PIN_DIR_DEFAULT ")\n"
	"  --flows N         to remember, and\n"
	"  --splices N       at once: how large the maps are made that attach makes\n"
	"  --cgroup DIR      of cgroup v2: the daemon's, for splicing\n"
	"  --tunnel ADDRESS  check DEV: node.tunnel_address, to see whether packets fit\n"
	"  --json            where there is something to read\n";

struct command_line {
	const char *command;
	struct attach_options attach;
	const char *tunnel;
	uint32_t flows, splices; /* 0: not given */
	struct map_sizes sizes;
	bool json;
};

static int wrong(const char *what, const char *value)
{
	fprintf(stderr, "shunt-loader: %s%s%s; see shunt-loader --help\n", what, value ? " " : "",
		value ? value : "");
	return WRONG_USAGE;
}

static int mode_parse(const char *text, enum attach_mode *out_mode)
{
	static const char *const names[] = { "auto", "native", "generic", "tc" };

	for (int i = 0; i < 4; i++)
		if (strcmp(text, names[i]) == 0) {
			*out_mode = (enum attach_mode)i;
			return DONE;
		}
	return wrong("expected native, generic, tc or auto as --mode, found", text);
}

static int number_parse(const char *name, uint32_t max, uint32_t *out_number)
{
	char *end;
	unsigned long n = strtoul(optarg, &end, 10);

	if (*optarg < '0' || *optarg > '9' || *end || n == 0 || n > max) {
		fprintf(stderr, "shunt-loader: expected 1 to %u as --%s, found %s\n", max, name,
			optarg);
		return WRONG_USAGE;
	}
	*out_number = (uint32_t)n;
	return DONE;
}

static int option(struct command_line *line, int which)
{
	struct attach_options *o = &line->attach;

	switch (which) {
	case 'd':
		if (o->device_count == ATTACH_DEVICES_MAX)
			return wrong("too many --dev", NULL);
		o->devices[o->device_count++] = optarg;
		return DONE;
	case 'm':
		return mode_parse(optarg, &o->mode);
	case 'p':
		o->pin_dir = optarg;
		return DONE;
	case 'c':
		o->cgroup = optarg;
		return DONE;
	case 'f':
		return number_parse("flows", FLOWS_MOST, &line->flows);
	case 's':
		return number_parse("splices", SPLICES_MOST, &line->splices);
	case 't':
		line->tunnel = optarg;
		return DONE;
	case 'j':
		line->json = true;
		return DONE;
	case 'h':
		fputs(help, stdout);
		exit(DONE);
	default:
		return wrong("unknown option, or one without its value", NULL);
	}
}

static int parse(int argc, char **argv, struct command_line *line)
{
	static const struct option options[] = {
		{ "dev", required_argument, NULL, 'd' },
		{ "mode", required_argument, NULL, 'm' },
		{ "pin-dir", required_argument, NULL, 'p' },
		{ "flows", required_argument, NULL, 'f' },
		{ "splices", required_argument, NULL, 's' },
		{ "cgroup", required_argument, NULL, 'c' },
		{ "tunnel", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int which;

	opterr = 0;
	line->attach.pin_dir = PIN_DIR_DEFAULT;
	while ((which = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		int rc = option(line, which);

		if (rc != DONE)
			return rc;
	}
	/* `check DEV` is short for `check --dev DEV`. */
	if (optind == argc - 2 && strcmp(argv[optind], "check") == 0 &&
	    line->attach.device_count < ATTACH_DEVICES_MAX)
		line->attach.devices[line->attach.device_count++] = argv[--argc];
	if (optind != argc - 1)
		return wrong("expected one command: attach, upgrade, detach, status or check",
			     NULL);
	line->command = argv[optind];
	return DONE;
}

static int refused(const struct err *err)
{
	fprintf(stderr, "shunt-loader: %s\n", err->text);
	return REFUSED;
}

static int attach(struct command_line *line)
{
	struct notices notices;
	struct err err;

	line->sizes = sizing_usual();
	sizing_choose(&line->sizes, line->flows, line->splices);
	line->attach.sizes = &line->sizes;
	if (line->attach.device_count == 0)
		return wrong("attach needs --dev DEVICE", NULL);
	if (!attach_all(&line->attach, &notices, &err))
		return refused(&err);
	for (uint32_t i = 0; i < notices.count; i++)
		fprintf(stderr, "shunt-loader: %s\n", notices.list[i].text);
	return DONE;
}

static int upgrade(struct command_line *line)
{
	struct attached there[ATTACH_DEVICES_MAX];
	uint32_t count = attach_status(line->attach.pin_dir, there);
	struct err err;

	if (count == 0) {
		err_set(&err, "nothing is attached below %s; use attach", line->attach.pin_dir);
		return refused(&err);
	}
	line->attach.device_count = count;
	for (uint32_t i = 0; i < count; i++)
		line->attach.devices[i] = there[i].device;
	return attach(line);
}

static int detach(const struct command_line *line)
{
	const struct attach_options *o = &line->attach;
	struct err err;

	if (o->device_count == 0 && !attach_is(o->pin_dir)) {
		err_set(&err, "nothing is pinned below %s", o->pin_dir);
		return refused(&err);
	}
	if (o->device_count == 0)
		return attach_undo(o->pin_dir, NULL, &err) ? DONE : refused(&err);
	for (uint32_t i = 0; i < o->device_count; i++)
		if (!attach_undo(o->pin_dir, o->devices[i], &err))
			return refused(&err);
	return DONE;
}

static int status(const struct command_line *line)
{
	struct attached there[ATTACH_DEVICES_MAX];
	uint32_t count = attach_status(line->attach.pin_dir, there);
	json_t *list = json_array();

	for (uint32_t i = 0; i < count; i++) {
		static const char *const names[] = { "auto", "native", "generic", "tc" };
		const char *mode = names[there[i].mode];

		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:i}", "device", there[i].device,
						"mode", mode, "program", (int)there[i].program_id));
		if (!line->json)
			printf("%s: %s%s, program %u\n", there[i].device,
			       there[i].mode == ATTACH_TC ? "" : "XDP ", mode, there[i].program_id);
	}
	if (line->json) {
		json_dumpf(list, stdout, JSON_INDENT(2));
		puts("");
	} else if (count == 0) {
		printf("nothing is attached (pins: %s)\n", line->attach.pin_dir);
	}
	json_decref(list);
	return DONE;
}

static int check(const struct command_line *line)
{
	struct check_findings findings;
	struct addr tunnel;
	bool ok = true;
	struct err err;

	if (line->tunnel && !addr_parse_ip(span_of(line->tunnel), &tunnel))
		return wrong("expected an address as --tunnel, found", line->tunnel);
	if (line->attach.device_count == 0)
		return probe_print(line->json) ? DONE : REFUSED;
	for (uint32_t i = 0; i < line->attach.device_count; i++) {
		if (!check_device(line->attach.devices[i], line->tunnel ? &tunnel : NULL, &findings,
				  &err))
			return refused(&err);
		check_device_print(line->attach.devices[i], &findings, line->json);
		ok = ok && !check_breaks(&findings);
	}
	return ok ? DONE : REFUSED;
}

int main(int argc, char **argv)
{
	struct command_line line = { 0 };
	int rc = parse(argc, argv, &line);

	if (rc != DONE)
		return rc;
	if (strcmp(line.command, "attach") == 0)
		return attach(&line);
	if (strcmp(line.command, "upgrade") == 0)
		return upgrade(&line);
	if (strcmp(line.command, "detach") == 0)
		return detach(&line);
	if (strcmp(line.command, "status") == 0)
		return status(&line);
	if (strcmp(line.command, "check") == 0)
		return check(&line);
	return wrong("unknown command", line.command);
}
