/* SPDX-License-Identifier: MIT */
/*
 * The version of ngx-mint: what every program's --version and the status
 * operation say.
 */

#ifndef MINT_VERSION_H
#define MINT_VERSION_H

#define MINT_VERSION  "0.1.0"

#endif /* MINT_VERSION_H */
