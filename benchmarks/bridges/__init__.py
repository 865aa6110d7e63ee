"""What the bridges to other frameworks cost a call."""
