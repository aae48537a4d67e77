/*
 * arguments.h - shuntd's command line. Pure: reads argv and touches nothing.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/err.h"

#define ADMIN_PATH_DEFAULT "/run/shunt/admin.sock"
#define SHUNT_VERSION      "0.1.0"

struct arguments {
	char *const *argv;  /* whole, for who starts it again */
	const char *config; /* never NULL after ARGUMENTS_RUN and ARGUMENTS_CHECK */
	const char *pin_dir;
	const char *cgroup; /* NULL: stay where we are */
	const char *admin;
	bool admin_given;       /* then it must work */
	const char *access_log; /* NULL: none */
	const char *state;      /* folder for what outlives us; NULL: nothing does */
	const char *user;       /* NULL: stay who we are */
	uint32_t workers;       /* 0: as configured */
};

enum arguments_result {
	ARGUMENTS_RUN,
	ARGUMENTS_CHECK,
	ARGUMENTS_HELP,
	ARGUMENTS_VERSION,
	ARGUMENTS_WRONG
};

/* Strings are borrowed from argv. ARGUMENTS_WRONG: *err says what is wrong. */
enum arguments_result arguments_parse(int argc, char **argv, struct arguments *out_arguments,
				      struct err *err);
extern const char arguments_help[];
