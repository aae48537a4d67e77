/*
 * explained.h - the explanation of a request, for people.
 */
#pragma once
#include <jansson.h>

/* Of one that has ended. */
void explained_print_deed(const json_t *deed);
void explained_print(const json_t *explained);
