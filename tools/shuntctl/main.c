/*
 * shuntctl: asks what a daemon, its maps, or a configuration say.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/abi/pins.h"
#include "tools/shuntctl/command.h"
#include "userspace/base/must.h"
#include "userspace/control/arguments.h"

static const char help[] =
	"usage: shuntctl COMMAND [options]\n"
	"\n"
	"  check FILE   read a configuration and say what is wrong with it\n"
	"  test FILE    run the tests of a configuration\n"
	"  diff [OLD] NEW\n"
	"               what that configuration would change of what runs, and whom it moves\n"
	"  revisions    configurations that were in effect and are kept\n"
	"  status       what a running shuntd does\n"
	"  endpoint [list [UPSTREAM]]\n"
	"               who serves, and what is wanted of whom\n"
	"  endpoint set UPSTREAM ADDRESS:PORT[@VPC] WHAT\n"
	"               WHAT: weight N; drain [TIME], nothing new, after TIME nobody at all; "
	"disable;\n"
	"               enable; reset, to what is configured. Lasts until reset\n"
	"  flows        spliced connections; works while shuntd is stopped\n"
	"  flows kill CLIENT | --upstream NAME | --all\n"
	"               cuts them at once, with a reset to both ends; CLIENT: ADDRESS[:PORT]\n"
	"  flows export [--vip ADDRESS[:PORT]] FILE\n"
	"               stops them here and writes them for another node\n"
	"  flows import FILE\n"
	"               takes those of another node in, which has the same configuration\n"
	"  flows forget | resume [--vip ADDRESS[:PORT]]\n"
	"               what was exported: another node has it; or none, so that it goes on here\n"
	"  watch        sampled packets and what became of them, until interrupted\n"
	"  explain 'GET https://www.example.com/x' [-H 'Name: value']... [--from ADDRESS]\n"
	"               what would become of that request, and why\n"
	"  explain --request-id ID\n"
	"               what became of one that has ended, and why\n"
	"  explain --packet PACKET\n"
	"               what the attached program does with a packet that you describe\n"
	"\n"
	"  --json           for machines\n"
	"  --admin SOCKET   of shuntd, for status, diff, endpoint, flows WORD; "
	"default " ADMIN_PATH_DEFAULT "\n"
	"  --pin-dir DIR    of the maps, for flows, watch, explain; default " PIN_DIR_DEFAULT "\n"
	"  --timeout SECONDS  until a shuntd that says nothing is given up, 1 to 3600; default 60\n"
	"  --interval TIME  status: rates over that time, such as 1s or 500ms\n"
	"  --vip NAME       explain: of several vips with the request's port, that one\n"
	"  --vip NAME, --reason REASON, --endpoint ADDRESS\n"
	"                   watch: only those; several are separated by commas\n"
	"  --rate N         watch: about one packet of N (1)\n"
	"  --count N        watch: ends after so many packets\n"
	"  --packet 'tcp 198.51.100.7:4000 > 203.0.113.10:443 [syn|ack] [len N] [vlan N] [ttl N]'\n"
	"                   explain: the packet\n"
	"  --at REV         explain: by what was in effect as that revision (shuntctl revisions)\n"
	"  --subject NAME   explain: of the client's certificate, such as CN=alice,O=Example\n"
	"  --session-id ID  explain: of the TLS session, 16 digits, such as the access log says\n"
	"  --session-resumed\n"
	"                   explain: by a connection that resumes its TLS session\n"
	"  --alpn LIST      explain: of protocols that the client offers, such as h2,http/1.1\n"
	"  --config FILE    explain: by that configuration, not by the one that runs\n"
	"  --dev DEVICE     explain: where it comes in, if several are attached\n"
	"  --help, --version\n"
	"\n"
	"Exit codes: 0 done, 1 refused, 2 wrong usage.\n";

static const struct command {
	const char *name;
	int (*run)(const struct command_options *options);
	bool needs_operand;
	int operands;
} commands[] = {
	{ "check", command_check, true, 1 },
	{ "test", command_test, true, 1 },
	{ "revisions", command_revisions, false, 0 },
	{ "diff", command_diff, true, 2 },
	{ "status", command_status, false, 0 },
	{ "flows", command_flows, false, 2 },
	{ "watch", command_watch, false, 0 },
	{ "explain", command_explain, false, 1 },
	{ "endpoint", command_endpoint, false, WORDS_MAX },
};

/* Options with a value; command NULL: of all. */
static const struct option {
	const char *name, *command;
	size_t at; /* in struct command_options */
} with_value[] = {
#define AT(field) offsetof(struct command_options, field)
	{ "--admin", NULL, AT(admin.socket) },
	{ "--pin-dir", NULL, AT(pin_dir) },
	{ "--timeout", NULL, AT(timeout) },
	{ "--interval", "status", AT(interval) },
	{ "--vip", "watch", AT(vip) },
	{ "--vip", "flows", AT(vip) },
	{ "--reason", "watch", AT(reason) },
	{ "--endpoint", "watch", AT(endpoint) },
	{ "--rate", "watch", AT(rate) },
	{ "--count", "watch", AT(count) },
	{ "--packet", "explain", AT(packet) },
	{ "--dev", "explain", AT(device) },
	{ "--request-id", "explain", AT(request_id) },
	{ "--at", "explain", AT(at) },
	{ "--from", "explain", AT(from) },
	{ "--config", "explain", AT(config) },
	{ "--subject", "explain", AT(subject) },
	{ "--session-id", "explain", AT(session_id) },
	{ "--alpn", "explain", AT(alpn) },
	{ "--vip", "explain", AT(vip) },
	{ "--upstream", "flows", AT(upstream) },
#undef AT
};

enum {
	NAME_MAX_BYTES = 16,
	HINT_DISTANCE_MAX = 2,
	INTERVAL_MAX_MS = 600000,
	TIMEOUT_S = 60,
	TIMEOUT_MAX_S = 3600
};

int command_refuse(const char *command, const struct err *err)
{
	fprintf(stderr, "shuntctl %s: %s\n", command, err->text);
	return EXIT_REFUSED;
}

/* Levenshtein's distance of short names; long ones are near to nothing. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_BYTES + 1], len = strlen(b);

	if (strlen(a) > NAME_MAX_BYTES || len > NAME_MAX_BYTES)
		return NAME_MAX_BYTES;
	for (size_t k = 0; k <= len; k++)
		row[k] = k;
	for (size_t i = 0; a[i]; i++) {
		size_t corner = row[0];

		row[0] = i + 1;
		for (size_t k = 1; k <= len; k++) {
			size_t swap = corner + (a[i] != b[k - 1]);
			size_t least = row[k] + 1 < row[k - 1] + 1 ? row[k] + 1 : row[k - 1] + 1;

			corner = row[k];
			row[k] = swap < least ? swap : least;
		}
	}
	return row[len];
}

static int usage(const char *what, const char *name)
{
	fprintf(stderr, "shuntctl: %s \"%s\"; see shuntctl --help\n", what, name);
	return EXIT_USAGE;
}

static const struct command *command_find(const char *name)
{
	const struct command *near = NULL;
	size_t least = HINT_DISTANCE_MAX + 1;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		size_t d = distance(name, commands[i].name);

		if (d == 0)
			return &commands[i];
		if (d < least) {
			least = d;
			near = &commands[i];
		}
	}
	if (near)
		fprintf(stderr, "shuntctl: unknown command \"%s\"; did you mean \"%s\"?\n", name,
			near->name);
	else
		usage("unknown command", name);
	return NULL;
}

/* Where the value of an option goes; NULL: it has none, or is another command's. */
static const char **value_of(const char *name, const struct command *command,
			     struct command_options *options)
{
	for (size_t i = 0; i < ARRAY_LEN(with_value); i++)
		if (!strcmp(name, with_value[i].name) &&
		    (!with_value[i].command || !strcmp(with_value[i].command, command->name)))
			return (const char **)((char *)options + with_value[i].at);
	return NULL;
}

static int interval_take(struct command_options *options)
{
	char *end;
	unsigned long n;

	if (!options->interval)
		return EXIT_DONE;
	n = strtoul(options->interval, &end, 10);
	if (end == options->interval || n == 0 || n > INTERVAL_MAX_MS ||
	    (strcmp(end, "ms") != 0 && strcmp(end, "s") != 0))
		return usage("--interval takes a time such as 1s or 500ms, not", options->interval);
	options->interval_ms = (uint32_t)(strcmp(end, "s") == 0 ? n * 1000 : n);
	return EXIT_DONE;
}

static int timeout_take(struct command_options *options)
{
	char *end;
	unsigned long n;

	if (!options->timeout)
		return EXIT_DONE;
	n = strtoul(options->timeout, &end, 10);
	if (*options->timeout < '0' || *options->timeout > '9' || *end || n == 0 ||
	    n > TIMEOUT_MAX_S)
		return usage("--timeout takes seconds from 1 to 3600, not", options->timeout);
	options->admin.timeout_s = (uint32_t)n;
	return EXIT_DONE;
}

static int arguments_take(int argc, char **argv, const struct command *command,
			  struct command_options *options)
{
	int given = 0;

	for (int i = 2; i < argc; i++) {
		const char **value = value_of(argv[i], command, options);
		bool header = !strcmp(argv[i], "-H") && !strcmp(command->name, "explain");

		if (!strcmp(argv[i], "--json"))
			options->json = true;
		else if (!strcmp(argv[i], "--all") && !strcmp(command->name, "flows"))
			options->all = true;
		else if (!strcmp(argv[i], "--session-resumed") && !strcmp(command->name, "explain"))
			options->session_resumed = true;
		else if ((value || header) && (i + 1 == argc || !strncmp(argv[i + 1], "--", 2)))
			return usage("no value is given for", argv[i]);
		else if (value)
			*value = argv[++i];
		else if (header && options->header_count == HEADERS_GIVEN_MAX)
			return usage("at most 32 are taken of", argv[i]);
		else if (header)
			options->headers[options->header_count++] = argv[++i];
		else if (*argv[i] == '-')
			return usage("unknown option", argv[i]);
		else if (given == command->operands)
			return usage("unexpected", argv[i]);
		else
			options->words[given++] = argv[i];
	}
	options->operand = options->words[0];
	options->second = options->words[1];
	if (command->needs_operand && !options->operand)
		return usage("a FILE is needed by", command->name);
	if (timeout_take(options) != EXIT_DONE)
		return EXIT_USAGE;
	return interval_take(options);
}

int main(int argc, char **argv)
{
	struct command_options options = { .admin = { ADMIN_PATH_DEFAULT, TIMEOUT_S },
					   .pin_dir = PIN_DIR_DEFAULT };
	const struct command *command;

	if (argc < 2) {
		fputs(help, stderr);
		return EXIT_USAGE;
	}
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return fputs(help, stdout) < 0;
	if (!strcmp(argv[1], "--version"))
		return puts("shuntctl " SHUNT_VERSION) < 0;
	command = command_find(argv[1]);
	if (!command || arguments_take(argc, argv, command, &options) != EXIT_DONE)
		return EXIT_USAGE;
	return command->run(&options);
}
