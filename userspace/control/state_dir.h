/*
 * state_dir.h - the folder for what outlives the process (--state). Knows its files by name only.
 */
#pragma once
#include "userspace/base/err.h"

/* Makes it where it is missing, for nobody else to read; NULL: there is none, which is well. */
bool state_dir_open(const char *path, struct err *err);
/* Gives it, with what is in it of ours, to that user; both may be NULL. */
bool state_dir_hand_over(const char *path, const char *user, struct err *err);
