#include "userspace/control/arguments.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "bpf/abi/pins.h"
#include "bpf/abi/sizes.h"
#include "userspace/base/must.h"

const char arguments_help[] =
	"usage: shuntd -c FILE [options]\n"
	"\n"
	"Serves the virtual IPs of FILE, in the foreground, until SIGTERM.\n"
	"\n"
	"  -c, --config FILE   configuration; read again on SIGHUP and when it changes\n"
	"  --check             check FILE, say what is wrong, and end\n"
	"  --workers N         threads; default: node.workers, or one a CPU\n"
	"  --access-log FILE   one JSON line an exchange; - is standard output; reopened on "
	"SIGUSR1\n"
	"  --admin SOCKET      for shuntctl; default " ADMIN_PATH_DEFAULT "\n"
	"  --pin-dir DIR       of the fast path's maps; default " PIN_DIR_DEFAULT "\n"
	"  --state DIR         for what is to outlive this process: a key for cookies, overrides\n"
	"  --cgroup DIR        move there, for splicing (cgroup v2 directory)\n"
	"  --user NAME         become NAME once everything is open\n"
	"  --help, --version\n"
	"\n"
	"Signals: TERM and INT end it once sessions have ended (a second one at once), HUP "
	"reloads,\n"
	"USR1 reopens the access log, USR2 starts the program anew in its own place.\n"
	"Exit codes: 0 done, 1 refused, 2 wrong usage.\n";

enum { OPTIONS = 8 };

static const struct option {
	const char *name;
	size_t field; /* of struct arguments, a const char * */
} options[OPTIONS] = {
	{ "-c", offsetof(struct arguments, config) },
	{ "--config", offsetof(struct arguments, config) },
	{ "--pin-dir", offsetof(struct arguments, pin_dir) },
	{ "--cgroup", offsetof(struct arguments, cgroup) },
	{ "--admin", offsetof(struct arguments, admin) },
	{ "--access-log", offsetof(struct arguments, access_log) },
	{ "--state", offsetof(struct arguments, state) },
	{ "--user", offsetof(struct arguments, user) },
};

static bool workers_parse(const char *text, uint32_t *out_workers, struct err *err)
{
	char *end = NULL;
	unsigned long n = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;

	if (!end || *end || n < 1 || n > WORKERS_MAX)
		return err_set(err, "--workers expects a number from 1 to %d, found \"%s\"",
			       WORKERS_MAX, text);
	*out_workers = (uint32_t)n;
	return true;
}

/* "--name value" or "--name=value"; *index moves to the last argument used. */
static bool option_is(const char *name, int argc, char **argv, int *index, const char **out_value)
{
	const char *arg = argv[*index];
	size_t len = strlen(name);

	if (strncmp(arg, name, len) != 0)
		return false;
	if (arg[len] == '=' && len > 2) {
		*out_value = arg + len + 1;
		return true;
	}
	if (arg[len])
		return false;
	*out_value = *index + 1 < argc ? argv[++*index] : NULL;
	return true;
}

static bool option_take(int argc, char **argv, int *index, struct arguments *a, struct err *err)
{
	const char *arg = argv[*index], *value = NULL;

	for (size_t i = 0; i < OPTIONS; i++) {
		if (!option_is(options[i].name, argc, argv, index, &value))
			continue;
		if (!value || !*value)
			return err_set(err, "%s needs a value; see --help", options[i].name);
		memcpy((char *)a + options[i].field, &value, sizeof(value));
		a->admin_given |= options[i].field == offsetof(struct arguments, admin);
		return true;
	}
	if (option_is("--workers", argc, argv, index, &value))
		return value ? workers_parse(value, &a->workers, err)
			     : err_set(err, "--workers needs a value; see --help");
	if (*arg == '-')
		return err_set(err, "unknown option \"%s\"; see --help", arg);
	return err_set(err, "unexpected \"%s\"; the configuration is given as -c FILE", arg);
}

static bool paths_fit(const struct arguments *a, struct err *err)
{
	enum { LONGEST = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };

	if (strlen(a->admin) > LONGEST)
		return err_set(err,
			       "the path of --admin has %zu bytes, a unix socket's may have %d; "
			       "take a shorter one",
			       strlen(a->admin), (int)LONGEST);
	return true;
}

enum arguments_result arguments_parse(int argc, char **argv, struct arguments *out_arguments,
				      struct err *err)
{
	struct arguments a = { .argv = argv,
			       .pin_dir = PIN_DIR_DEFAULT,
			       .admin = ADMIN_PATH_DEFAULT };
	bool check = false;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return ARGUMENTS_HELP;
		if (!strcmp(argv[i], "--version"))
			return ARGUMENTS_VERSION;
		if (!strcmp(argv[i], "--check"))
			check = true;
		else if (!option_take(argc, argv, &i, &a, err))
			return ARGUMENTS_WRONG;
	}
	if (!a.config) {
		err_set(err, "no configuration given; start it as shuntd -c FILE");
		return ARGUMENTS_WRONG;
	}
	if (!paths_fit(&a, err))
		return ARGUMENTS_WRONG;
	*out_arguments = a;
	return check ? ARGUMENTS_CHECK : ARGUMENTS_RUN;
}
