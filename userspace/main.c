/*
 * shuntd: serves what the configuration says, until it is told to end.
 */
#include <stdio.h>

#include "userspace/control/arguments.h"
#include "userspace/control/daemon.h"

int main(int argc, char **argv)
{
	struct arguments arguments;
	struct err err;

	switch (arguments_parse(argc, argv, &arguments, &err)) {
	case ARGUMENTS_RUN:
		return daemon_run(&arguments);
	case ARGUMENTS_CHECK:
		return daemon_check(&arguments);
	case ARGUMENTS_HELP:
		fputs(arguments_help, stdout);
		return 0;
	case ARGUMENTS_VERSION:
		puts("shuntd " SHUNT_VERSION);
		return 0;
	case ARGUMENTS_WRONG:
		break;
	}
	fprintf(stderr, "shuntd: %s\n", err.text);
	return 2;
}
