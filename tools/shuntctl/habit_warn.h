/*
 * habit_warn.h - what is written as other proxies have it, and here means something else.
 */
#pragma once
#include "tools/shuntctl/warnings.h"
#include "userspace/model/model.h"

/* Methods in lower case, variables without braces, a cookie that is called "true". */
void habit_warn(const struct model *model, struct warnings *out);
