// SPDX-License-Identifier: Apache-2.0
// What a precompiled header needs to be compiled beside (precompiled.cmake).
