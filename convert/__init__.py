"""Float → int8: conversion with the spec embedded, checks, and the float-against-int8 benchmark."""
